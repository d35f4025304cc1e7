//! A load on one server: connections that each ask again as soon as they were answered. Bytes are written and read as
//! they are, since a client that does more would take the processor from those who are measured.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct Load {
    /// Whole requests, of which each connection asks one after the other, from a place of its own.
    pub(crate) requests: Vec<Vec<u8>>,
    pub(crate) port: u16,
    pub(crate) connections: usize,
    pub(crate) length: Duration,
}

/// What was answered.
pub(crate) struct Loaded {
    pub(crate) elapsed: Duration,
    /// In order.
    pub(crate) latencies: Vec<Duration>,
    /// Of all bodies.
    pub(crate) bytes: u64,
}

/// What one connection saw.
#[derive(Default)]
struct Seen {
    latencies: Vec<Duration>,
    bytes: u64,
}

impl Load {
    /// Runs it on this thread. An answer that is not 200 ends it with an error.
    pub(crate) fn run(self) -> Result<Loaded> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let local = tokio::task::LocalSet::new();
        let (port, connections, length) = (self.port, self.connections, self.length);
        let requests = Arc::new(self.requests);
        local.block_on(&runtime, async move {
            let mut streams = Vec::with_capacity(connections);
            for _ in 0..connections {
                let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
                stream.set_nodelay(true)?;
                streams.push(stream);
            }
            let begin = Instant::now();
            let tasks = streams.into_iter().enumerate().map(|(place, stream)| {
                // Far from each other, and by steps that reach all requests.
                let first = place * requests.len() / connections;
                tokio::task::spawn_local(ask(stream, Arc::clone(&requests), first, begin + length))
            });
            let mut loaded = Loaded {
                elapsed: Duration::ZERO,
                latencies: Vec::new(),
                bytes: 0,
            };
            for task in tasks.collect::<Vec<_>>() {
                let seen = task.await??;
                loaded.latencies.extend(seen.latencies);
                loaded.bytes += seen.bytes;
            }
            loaded.elapsed = begin.elapsed();
            loaded.latencies.sort_unstable();
            ensure!(!loaded.latencies.is_empty(), "nothing was answered in time");
            Ok(loaded)
        })
    }
}

async fn ask(mut stream: TcpStream, requests: Arc<Vec<Vec<u8>>>, first: usize, end: Instant) -> Result<Seen> {
    let mut seen = Seen::default();
    let mut buffer = Vec::with_capacity(256 << 10);
    for request in requests.iter().cycle().skip(first) {
        let asked = Instant::now();
        if asked >= end {
            break;
        }
        stream.write_all(request).await?;
        seen.bytes += answer(&mut stream, &mut buffer).await? as u64;
        seen.latencies.push(asked.elapsed());
    }
    Ok(seen)
}

/// Reads one whole answer; the length of its body.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<usize> {
    buffer.clear();
    let head = loop {
        more(stream, buffer).await?;
        if let Some(end) = find(buffer, b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = std::str::from_utf8(&buffer[..head])?;
    ensure!(
        text.starts_with("HTTP/1.1 200"),
        "answered with {}: {}",
        text.lines().next().unwrap_or_default(),
        String::from_utf8_lossy(&buffer[head..])
    );
    match framing(text)? {
        Framing::Length(length) => {
            while buffer.len() < head + length {
                more(stream, buffer).await?;
            }
            ensure!(buffer.len() == head + length, "more than was asked for");
            Ok(length)
        }
        Framing::Chunked => {
            // The last chunk is empty, and no server here sends trailers.
            while !buffer.ends_with(b"\r\n0\r\n\r\n") && !buffer[head..].starts_with(b"0\r\n\r\n") {
                more(stream, buffer).await?;
            }
            Ok(buffer.len() - head)
        }
    }
}

enum Framing {
    Length(usize),
    Chunked,
}

fn framing(head: &str) -> Result<Framing> {
    for (name, value) in head.lines().filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            return Ok(Framing::Length(
                value.trim().parse().context("a length is a number")?,
            ));
        }
        if name.eq_ignore_ascii_case("transfer-encoding") && value.trim().eq_ignore_ascii_case("chunked") {
            return Ok(Framing::Chunked);
        }
    }
    bail!("an answer without a length: {head}")
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<()> {
    let read = stream.read_buf(buffer).await?;
    ensure!(read > 0, "the connection was closed");
    Ok(())
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
