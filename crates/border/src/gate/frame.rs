//! Frames on the socket: a length (u32, big endian), then as many bytes of JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A URL has at most 4 KiB, and 64 addresses take less.
pub(super) const BYTES_MAX: usize = 64 * 1024;
/// What is in force: some ten thousand transfers of workspaces.
pub(super) const IN_FORCE_BYTES_MAX: usize = 8 << 20;

/// Writes one frame.
///
/// # Errors
/// `InvalidData` for one that would be longer than `bytes_max`: nothing is written.
pub(super) async fn write<T: Serialize>(
    stream: &mut (impl AsyncWrite + Unpin),
    frame: &T,
    bytes_max: usize,
) -> io::Result<()> {
    let body = serde_json::to_vec(frame)?;
    let Some(length) = u32::try_from(body.len()).ok().filter(|_| body.len() <= bytes_max) else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the frame would be too long"));
    };
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(&body);
    stream.write_all(&bytes).await?;
    stream.flush().await
}

/// Reads one frame, and nothing behind it. Memory grows with what comes, not with what is announced.
///
/// # Errors
/// `InvalidData` for one that is too long or not as expected; its text is never part of the error.
pub(super) async fn read<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
    bytes_max: usize,
) -> io::Result<T> {
    let length = stream.read_u32().await?;
    if length as usize > bytes_max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is too long"));
    }
    let mut body = Vec::new();
    stream.take(u64::from(length)).read_to_end(&mut body).await?;
    if body.len() < length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    serde_json::from_slice(&body).map_err(|_| odd())
}

/// A frame that says what no frame says.
pub(super) fn odd() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a frame is not as it should be")
}
