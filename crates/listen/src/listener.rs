//! The accept loop.

use crate::body::Body;
use crate::connection::{self, Stop};
use crate::settings::Settings;
use domicile_world::Clock;
use http::{Request, Response};
use hyper::service::Service;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tracing::{info, warn};

/// After an error of `accept` that is ours (no descriptors, no memory): time for connections to end.
const ACCEPT_WAIT: Duration = Duration::from_millis(200);

/// A bound address that takes connections once it is served.
pub struct Listener {
    tcp: TcpListener,
    address: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {error}\n  mend: {}", mend(.error, .address))]
pub struct BindError {
    pub address: SocketAddr,
    #[source]
    pub error: io::Error,
}

fn mend(error: &io::Error, address: &SocketAddr) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!("another program has port {}: stop it or choose another", address.port()),
        io::ErrorKind::AddrNotAvailable => format!("{} is not an address of this machine", address.ip()),
        io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege: choose a higher one".to_owned(),
        _ => "choose another address".to_owned(),
    }
}

impl Listener {
    /// Binds `address`; port 0 takes a free one. From here on connections queue up.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let fail = |error| BindError { address, error };
        let tcp = TcpListener::bind(address).await.map_err(fail)?;
        let address = tcp.local_addr().map_err(fail)?;
        Ok(Self { tcp, address })
    }

    /// Where it listens, with the port that the system gave.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves connections until `shutdown` ends, then drains, and returns when no connection is left: at most
    /// `drain_wait` later.
    ///
    /// `service` is cloned for each connection. A tower service such as an axum `Router` is one in
    /// `hyper_util::service::TowerToHyperService`. An error from it closes the connection without an answer. Dropping the
    /// future cuts all connections.
    pub async fn serve<S, B>(
        self,
        clock: Arc<dyn Clock>,
        service: S,
        settings: Settings,
        shutdown: impl Future<Output = ()>,
    ) where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: http_body::Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let address = self.address;
        let settings = Arc::new(settings);
        let stop = watch::Sender::new(Stop::No);
        let accept = async {
            let room = Arc::new(Semaphore::new(settings.connections_max));
            loop {
                // The semaphore is never closed, so this does not fail.
                let Ok(place) = Arc::clone(&room).acquire_owned().await else { break };
                let (tcp, from) = accepted(&*clock, || self.tcp.accept()).await;
                let serving = connection::run(
                    tcp,
                    from,
                    service.clone(),
                    Arc::clone(&clock),
                    Arc::clone(&settings),
                    stop.subscribe(),
                );
                tokio::spawn(async move {
                    serving.await;
                    drop(place);
                });
            }
        };
        let certificate = async {
            match &settings.tls {
                Some(tls) => tls.follow().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = accept => {}
            () = certificate => {}
            () = shutdown => {}
        }
        // New connections are refused from here on.
        drop(self.tcp);
        stop.send_replace(Stop::Drain);
        tokio::select! {
            () = stop.closed() => {}
            () = clock.sleep(settings.drain_wait) => {
                let left = stop.receiver_count();
                warn!(%address, connections = left, "drain took too long, connections are cut");
                stop.send_replace(Stop::Cut);
                stop.closed().await;
            }
        }
        info!(%address, "no longer listening");
    }
}

/// The next connection, whatever errors come before it.
pub(crate) async fn accepted<T, F: Future<Output = io::Result<T>>>(clock: &dyn Clock, accept: impl Fn() -> F) -> T {
    let mut failing = false;
    loop {
        match accept().await {
            Ok(connection) => return connection,
            // The peer changed its mind while it waited.
            Err(error) if is_peers(&error) => {}
            Err(error) => {
                if !failing {
                    warn!(%error, "cannot take connections, trying on");
                    failing = true;
                }
                clock.sleep(ACCEPT_WAIT).await;
            }
        }
    }
}

fn is_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
