//! Parts: what runs inside a cell on a thread of its own.

use std::future::Future;
use tokio::sync::oneshot;

/// A part that runs. It ends by itself when what it reads is closed; an error ends the program.
pub struct Part {
    pub name: String,
    end: oneshot::Receiver<Result<(), String>>,
}

impl Part {
    /// Runs `part` on a thread with a runtime of its own: it may block on the disk without holding up anyone else.
    pub fn start<E, F>(name: String, part: impl FnOnce() -> F + Send + 'static) -> std::io::Result<Self>
    where
        F: Future<Output = Result<(), E>>,
        E: std::fmt::Display,
    {
        let (done, end) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name(name.clone()).spawn(move || {
            let result = runtime.block_on(part());
            let _ = done.send(result.map_err(|error| error.to_string()));
        })?;
        Ok(Self { name, end })
    }

    /// Waits for its end. A panic is an error too.
    pub async fn end(&mut self) -> Result<(), String> {
        match (&mut self.end).await {
            Ok(result) => result.map_err(|error| format!("{}: {error}", self.name)),
            Err(_) => Err(format!("{}: ended by a panic (see the log above)", self.name)),
        }
    }
}
