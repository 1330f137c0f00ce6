//! Frames.

/// A request's body on its way into a frame: room for the header stands in front, so that the body is sealed where it
/// lies and written without a copy.
#[derive(Debug)]
pub struct FrameBuf {
    bytes: Vec<u8>,
}

/// Room for the frame's header in front of the body.
pub(crate) const HEADER_BYTES: usize = 64;

impl FrameBuf {
    /// Room for a body of `body` bytes without growing.
    pub fn with_capacity(body: usize) -> Self {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + body + 512);
        bytes.resize(HEADER_BYTES, 0);
        Self { bytes }
    }

    pub fn extend_from_slice(&mut self, more: &[u8]) {
        self.bytes.extend_from_slice(more);
    }

    pub fn body(&self) -> &[u8] {
        &self.bytes[HEADER_BYTES..]
    }

    pub fn body_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[HEADER_BYTES..]
    }

    /// Bytes of body so far.
    pub fn len(&self) -> usize {
        self.bytes.len() - HEADER_BYTES
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
