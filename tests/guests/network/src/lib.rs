//! Responsible for talking to the world by TCP, by names and by HTTP, and for telling what refused.
//! Leaves files, clocks and the environment to the guest `basic`.

wit_bindgen::generate!({ path: "wit" });

mod http;

use std::io::Read;
use std::io::Write;
use std::net::Shutdown;
use std::net::TcpListener;
use std::net::TcpStream;
use std::net::ToSocketAddrs;
use std::net::UdpSocket;

struct Network;

impl Guest for Network {
    fn exchange(address: String, text: String) -> Result<String, String> {
        exchange(&address, &text).map_err(|error| error.to_string())
    }

    fn dial(address: String, connections: u32) -> Result<(u32, String), String> {
        let mut kept = Vec::new();
        let mut ended = String::new();
        while ended.is_empty() && u32::try_from(kept.len()).is_ok_and(|count| count < connections) {
            match TcpStream::connect(&address) {
                Ok(stream) => kept.push(stream),
                Err(error) => ended = error.to_string(),
            }
        }
        let count = u32::try_from(kept.len()).unwrap_or(u32::MAX);
        drop(kept);
        TcpStream::connect(&address).map_err(|error| error.to_string())?;
        Ok((count, ended))
    }

    fn listen(address: String) -> Result<String, String> {
        let listener = TcpListener::bind(address).map_err(|error| error.to_string())?;
        listener.accept().map(|(_, peer)| peer.to_string()).map_err(|error| error.to_string())
    }

    fn shout(address: String, text: String) -> Result<u64, String> {
        let socket = UdpSocket::bind("0.0.0.0:0").map_err(|error| error.to_string())?;
        socket.send_to(text.as_bytes(), address).map(|sent| sent as u64).map_err(|error| error.to_string())
    }

    fn resolve(name: String) -> Result<Vec<String>, String> {
        let addresses = (name.as_str(), 0).to_socket_addrs().map_err(|error| error.to_string())?;
        Ok(addresses.map(|address| address.ip().to_string()).collect())
    }

    fn fetch(url: String) -> Result<Response, String> {
        http::fetch(&url)
    }

    fn fetch_as(url: String, method: String, header: (String, String)) -> Result<Response, String> {
        http::fetch_as(&url, &method, (&header.0, &header.1))
    }

    fn fetch_within(url: String, milliseconds: u32) -> Result<Response, String> {
        http::fetch_within(&url, milliseconds)
    }

    fn follow(url: String) -> Result<Response, String> {
        http::follow(&url)
    }

    fn upload(url: String, bytes: u64) -> Result<Response, String> {
        http::upload(&url, bytes)
    }

    fn drain(url: String, bytes: u64) -> Result<u64, String> {
        http::drain(&url, bytes)
    }

    fn hoard(url: String, requests: u32) -> Result<(u32, String), String> {
        Ok(http::hoard(&url, requests))
    }

    fn compose(requests: u32, bytes: u32) -> Result<u32, String> {
        Ok(http::compose(requests, bytes))
    }

    fn cling(url: String) -> Result<u32, String> {
        http::cling(&url)
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
