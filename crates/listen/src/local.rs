//! A Unix socket for processes of the same user.

use crate::listener::accepted;
use domicile_world::Clock;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::warn;

/// A bound Unix socket that takes connections once it is served.
pub struct LocalListener {
    unix: UnixListener,
    user: u32,
}

impl LocalListener {
    /// Binds `path`, where nothing may be yet. Who may write to its folder is for the caller to look at.
    ///
    /// # Errors
    /// Those of the system.
    pub fn bind(path: &Path) -> io::Result<Self> {
        Ok(Self { unix: UnixListener::bind(path)?, user: Self::user()? })
    }

    /// The user that this process runs as, and that peers have to be.
    ///
    /// # Errors
    /// Those of the system.
    pub fn user() -> io::Result<u32> {
        let (own, _) = UnixStream::pair()?;
        Ok(own.peer_cred()?.uid())
    }

    /// Serves connections of the same user until `shutdown` ends, and then cuts them. Others are closed unheard. More than
    /// `connections_max` wait in the system's backlog.
    pub async fn serve<F>(
        self,
        clock: Arc<dyn Clock>,
        connections_max: usize,
        serve: impl Fn(UnixStream) -> F,
        shutdown: impl Future<Output = ()>,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let accept = async {
            let room = Arc::new(Semaphore::new(connections_max));
            let mut open = JoinSet::new();
            // The semaphore is never closed, so this does not fail.
            while let Ok(place) = Arc::clone(&room).acquire_owned().await {
                while open.try_join_next().is_some() {}
                let (stream, _) = accepted(&*clock, || self.unix.accept()).await;
                match stream.peer_cred() {
                    Ok(peer) if peer.uid() == self.user => {}
                    Ok(peer) => {
                        warn!(user = peer.uid(), "another user connected to the socket, and is not heard");
                        continue;
                    }
                    Err(_) => continue,
                }
                let serving = serve(stream);
                open.spawn(async move {
                    serving.await;
                    drop(place);
                });
            }
        };
        tokio::select! {
            () = accept => {}
            () = shutdown => {}
        }
    }
}
