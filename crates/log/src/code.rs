//! Little-endian numbers and short texts, written and read back with every length checked.

use domicile_region::PointName;
use domicile_world::Millis;
use std::net::IpAddr;
use std::ops::Range;

/// Reads what the `put_*` functions wrote; `None` at the first thing that does not fit.
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        Some(self.array::<1>()?[0])
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn millis(&mut self) -> Option<Millis> {
        Some(Millis(i64::from_le_bytes(self.array()?)))
    }

    pub(crate) fn point(&mut self) -> Option<PointName> {
        let n = self.u8()?;
        std::str::from_utf8(self.bytes(usize::from(n))?).ok().map(PointName::new)
    }

    pub(crate) fn address(&mut self) -> Option<Option<IpAddr>> {
        Some(match self.u8()? {
            0 => None,
            4 => Some(IpAddr::from(self.array::<4>()?)),
            6 => Some(IpAddr::from(self.array::<16>()?)),
            _ => return None,
        })
    }

    /// A range that lies within `0..length`.
    pub(crate) fn range(&mut self, length: usize) -> Option<Range<u32>> {
        let (start, end) = (self.u32()?, self.u32()?);
        (start <= end && usize::try_from(end).ok()? <= length).then_some(start..end)
    }

    pub(crate) fn optional_range(&mut self, length: usize) -> Option<Option<Range<u32>>> {
        match self.u8()? {
            0 => Some(None),
            1 => self.range(length).map(Some),
            _ => None,
        }
    }
}

pub(crate) fn put_u32(out: &mut Vec<u8>, n: u32) {
    out.extend_from_slice(&n.to_le_bytes());
}

pub(crate) fn put_u64(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(&n.to_le_bytes());
}

/// A point's name; the topology allows at most 63 letters.
pub(crate) fn put_point(out: &mut Vec<u8>, point: &PointName) {
    let bytes = point.as_str().as_bytes();
    let n = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    out.push(n);
    out.extend_from_slice(&bytes[..usize::from(n)]);
}

pub(crate) fn put_address(out: &mut Vec<u8>, address: Option<IpAddr>) {
    match address {
        None => out.push(0),
        Some(IpAddr::V4(v4)) => {
            out.push(4);
            out.extend_from_slice(&v4.octets());
        }
        Some(IpAddr::V6(v6)) => {
            out.push(6);
            out.extend_from_slice(&v6.octets());
        }
    }
}

pub(crate) fn put_range(out: &mut Vec<u8>, range: &Range<u32>) {
    put_u32(out, range.start);
    put_u32(out, range.end);
}

pub(crate) fn put_optional_range(out: &mut Vec<u8>, range: Option<&Range<u32>>) {
    match range {
        None => out.push(0),
        Some(range) => {
            out.push(1);
            put_range(out, range);
        }
    }
}
