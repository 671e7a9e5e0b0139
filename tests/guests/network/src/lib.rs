//! Responsible for talking to the world by TCP, by names and by HTTP, and for telling what refused.
//! Leaves files, clocks and the environment to the guest `basic`.

wit_bindgen::generate!({ path: "wit" });

mod http;

use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::TcpStream;
use std::net::ToSocketAddrs;

struct Network;

impl Guest for Network {
    fn exchange(address: String, text: String) -> Result<String, String> {
        exchange(&address, &text).map_err(|error| error.to_string())
    }

    fn resolve(name: String) -> Result<Vec<String>, String> {
        let addresses = (name.as_str(), 0).to_socket_addrs().map_err(|error| error.to_string())?;
        Ok(addresses.map(|address| address.ip().to_string()).collect())
    }

    fn fetch(url: String) -> Result<Response, String> {
        http::fetch(&url)
    }
}

fn exchange(address: &str, text: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(text.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

export!(Network);
