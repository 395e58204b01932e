use std::ops::{Deref, DerefMut};

/// Bytes of a line of the cache, and of the widest register.
pub(super) const LINE: usize = 64;

/// Memory for floats that begins where a line of the cache does. From anywhere else, a register as wide as a line
/// is read from two of them.
#[derive(Default)]
pub(crate) struct Buffer {
    floats: Vec<f32>,
    start: usize,
    length: usize,
}

impl Buffer {
    /// Makes room for `count` floats at least. What is in them is anything: what was there before, if there was
    /// room already.
    pub(crate) fn room(&mut self, count: usize) {
        if count > self.length {
            let spare = LINE / size_of::<f32>();
            self.floats = vec![0.0; count + spare];
            // Were there no such place, only speed would be lost.
            self.start = self.floats.as_ptr().align_offset(LINE).min(spare);
            self.length = count;
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.floats[self.start..self.start + self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.floats[self.start..self.start + self.length]
    }
}

impl From<Vec<f32>> for Buffer {
    fn from(floats: Vec<f32>) -> Buffer {
        let mut buffer = Buffer::default();
        buffer.room(floats.len());
        buffer.copy_from_slice(&floats);
        buffer
    }
}
