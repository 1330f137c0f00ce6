//! The floor: a bare server of the same HTTP stack that reads the body, appends it, syncs, and answers 200. No key, no
//! parsing, no seal, no checksum: what nobody who promises "on disk" can do without.

use bytes::Bytes;
use domicile_listen::{Body, Listener, Settings};
use domicile_world::World;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use tokio::sync::oneshot;

#[derive(Default)]
struct Queue {
    waiting: Mutex<Vec<(Vec<u8>, oneshot::Sender<()>)>>,
    arrived: Condvar,
}

/// Serves until the process is killed.
pub async fn serve(address: SocketAddr, folder: &Path) -> io::Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(folder.join("floor.log"))?;
    let queue = Arc::new(Queue::default());
    let for_writer = Arc::clone(&queue);
    std::thread::spawn(move || write(file, &for_writer));
    let listener = Listener::bind(address).await.map_err(io::Error::other)?;
    println!("ready {}", listener.address());
    let service = hyper::service::service_fn(move |request| answer(request, Arc::clone(&queue)));
    listener.serve(World::real().clock, service, Settings::default(), std::future::pending()).await;
    Ok(())
}

async fn answer(request: Request<Body>, queue: Arc<Queue>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut body = request.into_body();
    let mut bytes = Vec::with_capacity(hyper::body::Body::size_hint(&body).lower() as usize);
    while let Some(Ok(frame)) = body.frame().await {
        if let Some(data) = frame.data_ref() {
            bytes.extend_from_slice(data);
        }
    }
    let (done, written) = oneshot::channel();
    queue.waiting.lock().unwrap_or_else(PoisonError::into_inner).push((bytes, done));
    queue.arrived.notify_one();
    let status = if written.await.is_ok() { 200 } else { 503 };
    let mut response = Response::new(Full::new(Bytes::from_static(b"{\"success\":true}")));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    Ok(response)
}

fn write(mut file: File, queue: &Queue) {
    loop {
        let mut waiting = queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while waiting.is_empty() {
            waiting = queue.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let group = std::mem::take(&mut *waiting);
        drop(waiting);
        let mut parts: Vec<_> = group.iter().map(|(bytes, _)| IoSlice::new(bytes)).collect();
        let mut rest = parts.as_mut_slice();
        while !rest.is_empty() {
            let take = rest.len().min(1024);
            let n = file.write_vectored(&rest[..take]).expect("the floor's disk has room");
            IoSlice::advance_slices(&mut rest, n);
        }
        file.sync_data().expect("the floor's disk syncs");
        for (_, done) in group {
            let _ = done.send(());
        }
    }
}
