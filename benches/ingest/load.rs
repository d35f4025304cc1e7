//! A load on `POST /usage`: connections that each send a request again as soon as they were answered, or at an even pace.
//! Bytes are written and read as they are, since a client that does more would take the processor from those who are
//! measured.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chrono::SecondsFormat;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use crate::events::{Event, Source};

/// How quickly a load comes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// Each connection sends as soon as it was answered.
    Full,
    /// So many events a second over all connections, whatever the answers take.
    Even(f64),
}

pub(crate) struct Load {
    pub(crate) source: Arc<Source>,
    pub(crate) key: String,
    pub(crate) port: u16,
    pub(crate) connections: usize,
    /// Events of a request.
    pub(crate) batch: usize,
    pub(crate) pace: Pace,
    pub(crate) length: Duration,
}

/// What was written, by whomever.
#[derive(Default)]
pub(crate) struct Loaded {
    pub(crate) elapsed: Duration,
    /// Of requests, in order.
    pub(crate) latencies: Vec<Duration>,
    pub(crate) events: u64,
}

impl Loaded {
    pub(crate) fn of(begin: Instant, seen: Vec<Loaded>) -> Result<Self> {
        let mut all = Self {
            elapsed: begin.elapsed(),
            ..Self::default()
        };
        for seen in seen {
            all.latencies.extend(seen.latencies);
            all.events += seen.events;
        }
        all.latencies.sort_unstable();
        ensure!(!all.latencies.is_empty(), "nothing was answered in time");
        Ok(all)
    }
}

impl Load {
    /// Runs it on this thread. An answer that tells of an event that was neither recorded nor known ends it with an error.
    pub(crate) fn run(self) -> Result<Loaded> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let local = tokio::task::LocalSet::new();
        let load = Arc::new(self);
        local.block_on(&runtime, async move {
            let mut streams = Vec::with_capacity(load.connections);
            for _ in 0..load.connections {
                let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, load.port)).await?;
                stream.set_nodelay(true)?;
                streams.push(stream);
            }
            let begin = Instant::now();
            let tasks = streams.into_iter().enumerate();
            let tasks = tasks.map(|(place, stream)| {
                let load = Arc::clone(&load);
                tokio::task::spawn_local(async move { load.send(stream, begin, place).await })
            });
            let mut seen = Vec::new();
            for task in tasks.collect::<Vec<_>>() {
                seen.push(task.await??);
            }
            Loaded::of(begin, seen)
        })
    }

    async fn send(&self, mut stream: TcpStream, begin: Instant, place: usize) -> Result<Loaded> {
        let end = begin + self.length;
        let mut loaded = Loaded::default();
        let (mut request, mut answer) = (String::new(), Vec::with_capacity(64 << 10));
        let mut turns = self.turns(begin, place);
        loop {
            let asked = match &mut turns {
                // Not beyond the end, which would count as time in which nothing came.
                Some(turns) => match timeout_at(end.into(), turns.tick()).await {
                    Ok(turn) => turn.into_std(),
                    Err(_) => break,
                },
                None => Instant::now(),
            };
            if asked >= end {
                break;
            }
            self.write(&mut request);
            stream.write_all(request.as_bytes()).await?;
            let accepted = read(&mut stream, &mut answer, self.batch).await?;
            // Of one that came late by its pace, the waiting counts.
            loaded.latencies.push(asked.elapsed());
            loaded.events += self.batch as u64;
            self.source.note(self.batch as u64, accepted as u64);
        }
        Ok(loaded)
    }

    /// When a connection sends, if that has its time; connections take turns with each other. What comes late comes at once.
    fn turns(&self, begin: Instant, place: usize) -> Option<tokio::time::Interval> {
        let Pace::Even(rate) = self.pace else { return None };
        let between = Duration::from_secs_f64(self.batch as f64 / rate);
        let first = begin + between.mul_f64(place as f64);
        Some(tokio::time::interval_at(
            first.into(),
            between.mul_f64(self.connections as f64),
        ))
    }

    fn write(&self, request: &mut String) {
        let mut body = String::with_capacity(self.batch * 280);
        for event in self.source.take(self.batch) {
            body.push(if body.is_empty() { '[' } else { ',' });
            write_event(&mut body, &event);
        }
        body.push(']');
        request.clear();
        let (port, key, length) = (self.port, &self.key, body.len());
        let _ = write!(
            request,
            "POST /usage HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {key}\r\n\
             content-type: application/cloudevents-batch+json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
    }
}

fn write_event(body: &mut String, event: &Event<'_>) {
    let (key, meter, account) = (&event.key, event.meter, event.account);
    let (whole, tenths) = (event.quantity / 1_000_000, event.quantity / 100_000 % 10);
    let at = event.at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let _ = write!(
        body,
        r#"{{"specversion":"1.0","id":"{key}","source":"/bench","type":"{meter}","subject":"{account}","time":"{at}","data":{{"quantity":"{whole}.{tenths}","attributes":{{"direction":"inbound","region":"eu-west"}}}}}}"#
    );
}

/// Reads one whole answer to so many events; how many of them were new.
async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>, events: usize) -> Result<usize> {
    buffer.clear();
    let head = loop {
        more(stream, buffer).await?;
        if let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = std::str::from_utf8(&buffer[..head])?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let (is_good, length) = (
        text.starts_with("HTTP/1.1 200"),
        length.context("an answer without a length")?,
    );
    while buffer.len() < head + length {
        more(stream, buffer).await?;
    }
    let body = &buffer[head..];
    let count = |status: &[u8]| memchr::memmem::find_iter(body, status).count();
    let accepted = count(br#""status":"accepted""#);
    let known = count(br#""status":"replayed""#);
    ensure!(
        is_good && accepted + known == events,
        "answered with {}",
        String::from_utf8_lossy(&buffer[..buffer.len().min(2_000)])
    );
    Ok(accepted)
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<()> {
    let read = stream.read_buf(buffer).await?;
    ensure!(read > 0, "the connection was closed");
    Ok(())
}
