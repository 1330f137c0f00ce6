//! Using a permit up: a connection to one of its addresses, under TLS where its scheme has it.
//!
//! ```text
//! permit ──► TCP to a judged address ──► http:     as it is
//!                                    ├─► https:    TLS, valid for the name
//!                                    └─► postgres: SSLRequest ──► `S` ──► TLS, valid for the name
//!                                                             └─► `N` ──► in a network of the operator's: as it is; else an error
//! ```
//!
//! Of a database exactly one byte is read before TLS begins: what someone in between adds to it is read as TLS, and fails.

use crate::border::Border;
use crate::line::{SendError, Stage};
use crate::outside::Stream;
use crate::permit::{Granted, Permit, Way};
use crate::target::{Host, Scheme, SslMode};
use rustls::pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

/// PostgreSQL's SSLRequest: its length (8), and the number that stands for it.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// A connection that a permit was used up for.
pub(crate) struct Reached {
    pub stream: Box<dyn Stream>,
    pub address: SocketAddr,
    pub encrypted: bool,
}

impl Border {
    /// Tries the judged addresses in turn, each for `connect`.
    pub(crate) async fn reach(&self, permit: Permit, connect: Duration) -> Result<Reached, SendError> {
        let (granted, way) = permit.used();
        if let Way::Gate(passage) = way {
            return self.reach_by_gate(passage, &granted, connect).await;
        }
        let mut last = SendError::TimedOut { stage: Stage::Connecting };
        for &address in &granted.addresses {
            let tried = tokio::select! {
                biased;
                tried = self.reach_address(address, &granted) => tried,
                () = self.world.clock.sleep(connect) => Err(SendError::TimedOut { stage: Stage::Connecting }),
            };
            match tried {
                Ok(reached) => return Ok(reached),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn reach_address(&self, address: SocketAddr, granted: &Granted) -> Result<Reached, SendError> {
        let failed = |error| SendError::Tls { address, error };
        let reached = |stream, encrypted| Ok(Reached { stream, address, encrypted });
        let mut plain =
            self.outside.connect(address).await.map_err(|error| SendError::Unreachable { address, error })?;
        let mode = match granted.target.scheme {
            Scheme::Http => return reached(plain, false),
            Scheme::Https => return reached(wrap(plain, granted, &self.tls).await.map_err(failed)?, true),
            Scheme::Postgres(mode) => mode,
        };
        if mode == SslMode::Disable && granted.listed {
            return reached(plain, false);
        }
        match ask_for_tls(&mut *plain).await.map_err(failed)? {
            b'S' => reached(wrap(plain, granted, &self.database_tls).await.map_err(failed)?, true),
            b'N' if mode == SslMode::Unsaid && granted.listed => reached(plain, false),
            b'N' => Err(failed(io::Error::other("the server speaks no TLS"))),
            _ => Err(failed(io::Error::other("the server is no PostgreSQL"))),
        }
    }
}

/// TLS over a connection, valid for the host of the permit.
async fn wrap(plain: Box<dyn Stream>, granted: &Granted, tls: &TlsConnector) -> io::Result<Box<dyn Stream>> {
    let name = match &granted.target.host {
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(io::Error::other)?,
        Host::Address(address) => ServerName::from(*address),
    };
    Ok(Box::new(tls.connect(name, plain).await?))
}

async fn ask_for_tls(plain: &mut dyn Stream) -> io::Result<u8> {
    plain.write_all(&SSL_REQUEST).await?;
    plain.flush().await?;
    let mut answer = [0];
    plain.read_exact(&mut answer).await?;
    Ok(answer[0])
}
