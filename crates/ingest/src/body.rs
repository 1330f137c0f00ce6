//! A request's body on its way into memory: unpacked, bounded, in the buffer that the log will write.

use crate::budget::{Room, Spent};
use bytes::{Buf, Bytes};
use domicile_listen::BodyError;
use domicile_log::FrameBuf;
use flate2::write::MultiGzDecoder;
use http::{HeaderMap, header};
use http_body::Body;
use http_body_util::BodyExt;
use std::io::{self, Write};
use std::pin::pin;

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Plain,
    Gzip,
}

/// Why a body is not had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFault {
    TooLarge,
    NotGzip,
    TooSlow,
    BrokenOff,
    NoRoom,
}

impl From<Spent> for BodyFault {
    fn from(_: Spent) -> Self {
        Self::NoRoom
    }
}

/// What the inflater needs beside the buffer.
const INFLATER_BYTES: usize = 128 * 1024;
/// Gzip may be longer than what it holds by its headers. With this room for them, members without content can't keep
/// the inflater busy for ever.
const GZIP_EXTRA_BYTES: usize = 64 * 1024;
/// What a body takes of the budget before any of it has come.
const FIRST_BYTES: usize = 16 * 1024;

impl Encoding {
    /// From the request's headers; an error is the sentence to refuse with.
    pub fn of(headers: &HeaderMap) -> Result<Self, &'static str> {
        const SEVERAL: &str = "more than one `Content-Encoding`: send gzip or none";
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let Some(value) = values.next() else { return Ok(Self::Plain) };
        if values.next().is_some() {
            return Err(SEVERAL);
        }
        let value = value.to_str().unwrap_or("?").trim();
        match value {
            "" => Ok(Self::Plain),
            _ if value.eq_ignore_ascii_case("gzip") || value.eq_ignore_ascii_case("x-gzip") => Ok(Self::Gzip),
            _ if value.eq_ignore_ascii_case("identity") => Ok(Self::Plain),
            _ if value.contains(',') => Err(SEVERAL),
            _ => Err("this `Content-Encoding` is not known: send gzip or none"),
        }
    }
}

/// Reads and unpacks a body of at most `limit` bytes. Stops at the limit, whatever is still to come. Memory is taken
/// from `room` before it is filled, the first of it before anything is read.
pub(crate) async fn read<B>(
    body: B,
    encoding: Encoding,
    limit: usize,
    room: &mut Room<'_>,
) -> Result<FrameBuf, BodyFault>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BodyError>,
{
    if encoding == Encoding::Plain {
        return collect(body, limit, room).await;
    }
    // Unpacked when all of it is there: a slow sender then holds packed bytes only, and no inflater.
    let packed = collect(body, limit + GZIP_EXTRA_BYTES, room).await?;
    room.hold(packed.len() + limit + INFLATER_BYTES).await?;
    let unpacked = unpack(packed.body(), limit)?;
    drop(packed);
    room.shrink(unpacked.len());
    Ok(unpacked)
}

async fn collect<B>(body: B, limit: usize, room: &mut Room<'_>) -> Result<FrameBuf, BodyFault>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BodyError>,
{
    let length = match body.size_hint().exact() {
        Some(length) if length > limit as u64 => return Err(BodyFault::TooLarge),
        length => length.map(|length| length as usize),
    };
    let most = length.unwrap_or(limit);
    room.hold(most.min(FIRST_BYTES)).await?;
    let mut buf = FrameBuf::with_capacity(length.unwrap_or(FIRST_BYTES.min(limit)));
    let mut body = pin!(body);
    while let Some(data) = next(&mut body).await? {
        let needed = buf.len() + data.len();
        if needed > limit {
            return Err(BodyFault::TooLarge);
        }
        if needed > room.bytes() {
            room.hold(needed.max(room.bytes().saturating_mul(2).min(most))).await?;
        }
        buf.extend_from_slice(&data);
    }
    Ok(buf)
}

/// Unpacks gzip of one or more members and nothing behind them.
fn unpack(packed: &[u8], limit: usize) -> Result<FrameBuf, BodyFault> {
    // JSON of events packs to a third or less.
    let capacity = packed.len().saturating_mul(4).min(limit);
    let mut inflater = MultiGzDecoder::new(Bounded { buf: FrameBuf::with_capacity(capacity), limit, over: false });
    let whole = inflater.write_all(packed).and_then(|()| inflater.try_finish());
    match whole {
        Ok(()) if !packed.is_empty() => inflater.finish().map(|bounded| bounded.buf).map_err(|_| BodyFault::NotGzip),
        _ if inflater.get_ref().over => Err(BodyFault::TooLarge),
        _ => Err(BodyFault::NotGzip),
    }
}

/// The next bytes; trailers are passed over.
async fn next<B>(body: &mut std::pin::Pin<&mut B>) -> Result<Option<Bytes>, BodyFault>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BodyError>,
{
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Some(Err(error)) => {
                return Err(match error.into() {
                    BodyError::TooSlow => BodyFault::TooSlow,
                    BodyError::Broken(_) => BodyFault::BrokenOff,
                });
            }
        }
    }
}

/// Reads a body to throw it away, up to `limit` bytes, so that the connection can go on.
pub(crate) async fn discard<B>(body: B, limit: usize)
where
    B: Body<Data = Bytes>,
    B::Error: Into<BodyError>,
{
    let mut body = pin!(body);
    let mut bytes = 0;
    while let Ok(Some(data)) = next(&mut body).await {
        bytes += data.remaining();
        if bytes > limit {
            return;
        }
    }
}

/// Takes no more than `limit` bytes.
struct Bounded {
    buf: FrameBuf,
    limit: usize,
    over: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.limit - self.buf.len() {
            self.over = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.buf.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
