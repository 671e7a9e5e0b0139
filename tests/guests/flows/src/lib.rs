//! Responsible for async functions, streams and futures, well behaved and not.
//! Leaves async functions between components to the host's own tests.

wit_bindgen::generate!({ path: "wit" });

use wit_bindgen::rt::async_support::{StreamReader, StreamWriter, spawn_local, yield_async};
use wit_bindgen::{FutureReader, StreamResult};

struct Flows;

/// Returns a stream that a task writes while and after the function returns.
macro_rules! stream {
    ($ty:ty, $writer:ident => $body:expr) => {{
        let (mut $writer, reader) = wit_stream::new::<$ty>();
        spawn_local(async move {
            $body;
        });
        reader
    }};
}

impl Guest for Flows {
    async fn double(x: u32) -> u32 {
        x * 2
    }

    async fn patient(name: String) -> Result<String, String> {
        for _ in 0..10 {
            yield_async().await;
        }
        println!("waited for {name}");
        if name.is_empty() { Err("nobody".to_owned()) } else { Ok(format!("hello {name}")) }
    }

    async fn sixteen(x: u8) -> (u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8) {
        (x, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
    }

    async fn seventeen(x: u8) -> (u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8) {
        (x, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
    }

    async fn join(words: (String, String, String, String, String, String, String, String, String)) -> String {
        let (a, b, c, d, e, f, g, h, i) = words;
        [a, b, c, d, e, f, g, h, i].join(" ")
    }

    fn plain(text: String) -> String {
        text.to_uppercase()
    }

    async fn sum(mut numbers: StreamReader<i64>) -> i64 {
        let mut sum = 0;
        while let Some(number) = numbers.next().await {
            sum += number;
        }
        sum
    }

    async fn shout(mut words: StreamReader<String>) -> StreamReader<String> {
        stream!(String, writer => {
            while let Some(word) = words.next().await {
                writer.write_one(word.to_uppercase()).await;
            }
        })
    }

    async fn invert(mut data: StreamReader<u8>) -> StreamReader<u8> {
        stream!(u8, writer => {
            let mut buffer = Vec::with_capacity(64 << 10);
            loop {
                let (result, mut read) = data.read(buffer).await;
                read.iter_mut().for_each(|byte| *byte = !*byte);
                buffer = writer.write_all(read).await;
                buffer.clear();
                buffer.reserve(64 << 10);
                if matches!(result, StreamResult::Dropped) {
                    break;
                }
            }
        })
    }

    async fn later(text: FutureReader<String>) -> FutureReader<String> {
        let (writer, reader) = wit_future::new::<String>(String::new);
        spawn_local(async move {
            let text = text.await;
            yield_async().await;
            let _ = writer.write(text.to_uppercase()).await;
        });
        reader
    }

    async fn count(to: u32) -> StreamReader<u32> {
        stream!(u32, writer => writer.write_all((0..to).collect()).await)
    }

    async fn pass(data: StreamReader<u8>) -> StreamReader<u8> {
        data
    }

    async fn pass_future(value: FutureReader<f64>) -> FutureReader<f64> {
        value
    }

    async fn sizes(
        bools: StreamReader<bool>,
        letter: FutureReader<char>,
        floats: StreamReader<f32>,
        blobs: StreamReader<Vec<u8>>,
    ) -> Vec<u32> {
        let bools = bools.collect().await.into_iter().filter(|is_set| *is_set).count();
        let letter = letter.await.len_utf8();
        let floats: f32 = floats.collect().await.into_iter().sum();
        let blobs: usize = blobs.collect().await.iter().map(Vec::len).sum();
        [bools, letter, floats as usize, blobs].map(|size| u32::try_from(size).unwrap()).to_vec()
    }

    async fn bools() -> StreamReader<bool> {
        stream!(bool, writer => writer.write_all(vec![true, false]).await)
    }

    async fn letter() -> FutureReader<char> {
        let (writer, reader) = wit_future::new::<char>(char::default);
        spawn_local(async move {
            let _ = writer.write('\u{20ac}').await;
        });
        reader
    }

    async fn floats() -> StreamReader<f32> {
        stream!(f32, writer => writer.write_all(vec![0.5, f32::NAN]).await)
    }

    async fn blobs() -> StreamReader<Vec<u8>> {
        stream!(Vec<u8>, writer => writer.write_all(vec![vec![1, 2], Vec::new()]).await)
    }

    async fn smalls() -> StreamReader<i8> {
        stream!(i8, writer => writer.write_all(vec![-128, 127]).await)
    }

    async fn late_blob() -> FutureReader<Vec<u8>> {
        let (writer, reader) = wit_future::new::<Vec<u8>>(Vec::new);
        spawn_local(async move {
            let _ = writer.write(vec![1, 2, 3]).await;
        });
        reader
    }

    async fn unread(_data: StreamReader<u8>) -> u32 {
        7
    }

    async fn first(mut data: StreamReader<u8>) -> u8 {
        data.next().await.unwrap_or_default()
    }

    async fn afterwards() -> String {
        spawn_local(async {
            yield_async().await;
            loop {
                std::hint::spin_loop();
            }
        });
        "done".to_owned()
    }

    async fn traps_afterwards() -> String {
        spawn_local(async {
            yield_async().await;
            panic!("nobody sees this");
        });
        "done".to_owned()
    }

    async fn endless() -> StreamReader<u8> {
        stream!(u8, writer => loop { writer.write_all(vec![7; 1 << 16]).await; })
    }

    async fn endless_words() -> StreamReader<String> {
        stream!(String, writer => loop { writer.write_one("word".to_owned()).await; })
    }

    async fn unclosed() -> StreamReader<String> {
        stream!(String, writer => {
            writer.write_one("word".to_owned()).await;
            wait_for_ever().await;
            drop(writer);
        })
    }

    async fn forgotten() -> StreamReader<String> {
        stream!(String, writer => {
            writer.write_one("word".to_owned()).await;
            std::mem::forget(writer);
        })
    }

    async fn broken() -> StreamReader<String> {
        stream!(String, writer => {
            writer.write_one("word".to_owned()).await;
            panic!("in the middle");
        })
    }

    async fn large_words(size: u32) -> StreamReader<String> {
        let word = "x".repeat(usize::try_from(size).unwrap());
        stream!(String, writer => loop { writer.write_one(word.clone()).await; })
    }

    async fn deadlock() -> u32 {
        wait_for_ever().await;
        0
    }

    async fn restless() -> u32 {
        loop {
            yield_async().await;
        }
    }

    async fn hoard() -> u32 {
        let mut all: Vec<(StreamWriter<u8>, StreamReader<u8>)> = Vec::new();
        loop {
            all.push(wit_stream::new::<u8>());
        }
    }

    async fn spawn() -> u32 {
        loop {
            spawn_local(wait_for_ever());
            yield_async().await;
        }
    }

    async fn nested() -> Vec<StreamReader<u8>> {
        Vec::new()
    }

    async fn records() -> StreamReader<(u8, u8)> {
        stream!((u8, u8), writer => writer.write_one((1, 2)).await)
    }

    async fn units() -> FutureReader<()> {
        wit_future::new::<()>(|| ()).1
    }
}

/// Waits for a future that nobody writes.
async fn wait_for_ever() {
    let (writer, reader) = wit_future::new::<f64>(f64::default);
    reader.await;
    drop(writer);
}

export!(Flows);
