//! A request's body on its way into memory: unpacked, bounded, in the buffer that the log will write.

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
}

/// What the inflater needs beside the buffer; counted to the budget.
const INFLATER_BYTES: usize = 128 * 1024;
/// Gzip may be longer than what it holds by its headers. With this room for them, members without content can't keep
/// the inflater busy for ever.
const GZIP_EXTRA_BYTES: usize = 64 * 1024;
/// A body of unknown length begins with so much room.
const ROOM_BYTES: usize = 16 * 1024;

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

/// How much memory reading a body may take: `length` is its announced length, if it has one.
pub(crate) fn bytes_needed(encoding: Encoding, length: Option<u64>, limit: usize) -> usize {
    match encoding {
        Encoding::Plain => length.and_then(|length| usize::try_from(length).ok()).map_or(limit, |n| n.min(limit)),
        Encoding::Gzip => limit + INFLATER_BYTES,
    }
}

/// Reads and unpacks a body of at most `limit` bytes. Stops at the limit, whatever is still to come.
pub(crate) async fn read<B>(body: B, encoding: Encoding, limit: usize) -> Result<FrameBuf, BodyFault>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BodyError>,
{
    let length = body.size_hint().exact();
    match encoding {
        Encoding::Plain => read_plain(body, length, limit).await,
        Encoding::Gzip => read_gzip(body, length, limit).await,
    }
}

async fn read_plain<B>(body: B, length: Option<u64>, limit: usize) -> Result<FrameBuf, BodyFault>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BodyError>,
{
    let room = match length {
        Some(length) if length > limit as u64 => return Err(BodyFault::TooLarge),
        Some(length) => length as usize,
        None => ROOM_BYTES.min(limit),
    };
    let mut buf = FrameBuf::with_capacity(room);
    let mut body = pin!(body);
    while let Some(data) = next(&mut body).await? {
        if data.len() > limit - buf.len() {
            return Err(BodyFault::TooLarge);
        }
        buf.extend_from_slice(&data);
    }
    Ok(buf)
}

async fn read_gzip<B>(body: B, length: Option<u64>, limit: usize) -> Result<FrameBuf, BodyFault>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BodyError>,
{
    // JSON of events packs to a third or less.
    let room = length.map_or(ROOM_BYTES, |length| usize::try_from(length).unwrap_or(limit).saturating_mul(4)).min(limit);
    let mut inflater = MultiGzDecoder::new(Bounded { buf: FrameBuf::with_capacity(room), limit, over: false });
    let mut packed = 0;
    let mut body = pin!(body);
    while let Some(data) = next(&mut body).await? {
        packed += data.len();
        if packed > limit + GZIP_EXTRA_BYTES {
            return Err(BodyFault::TooLarge);
        }
        if inflater.write_all(&data).is_err() {
            return Err(if inflater.get_ref().over { BodyFault::TooLarge } else { BodyFault::NotGzip });
        }
    }
    match inflater.try_finish() {
        Ok(()) if packed > 0 => {}
        _ => return Err(if inflater.get_ref().over { BodyFault::TooLarge } else { BodyFault::NotGzip }),
    }
    inflater.finish().map(|bounded| bounded.buf).map_err(|_| BodyFault::NotGzip)
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
