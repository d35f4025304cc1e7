//! Ports of this machine.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::net::TcpStream;

/// A port that is free at this moment.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}

pub(crate) async fn until_it_listens(port: u16) -> Result<()> {
    let mut again = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..1_200 {
        again.tick().await;
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok() {
            return Ok(());
        }
    }
    bail!("nothing listens on port {port} after a minute")
}
