use std::ffi::CString;

/// The bytes that are not used yet; where none are left, zeros come.
#[derive(Default)]
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl Input<'_> {
    pub(super) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    /// Small numbers mostly, and the largest.
    pub(super) fn number(&mut self) -> usize {
        match self.byte() {
            255 => usize::MAX,
            254 => usize::MAX / 2 + 1,
            byte => byte.into(),
        }
    }

    /// A name of the model's, or any bytes without a zero.
    pub(super) fn name(&mut self) -> CString {
        const NAMES: [&str; 5] = ["acting", "visual effects", "absent", "present", ""];
        let which = usize::from(self.byte());
        match NAMES.get(which) {
            Some(name) => CString::new(*name).expect("no zero byte"),
            None => CString::new(self.text().replace('\0', "?")).expect("none is left"),
        }
    }

    pub(super) fn text(&mut self) -> String {
        let length = usize::from(self.byte()).min(self.0.len());
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        String::from_utf8_lossy(text).into_owned()
    }

    pub(super) fn floats(&mut self) -> Vec<f32> {
        const VALUES: [f32; 8] =
            [0.0, 1.0, 0.5, 1.0 / 3.0, -1.0, f32::NAN, f32::INFINITY, f32::MAX];
        let count = self.byte() % 8;
        (0..count).map(|_| VALUES[usize::from(self.byte()) % VALUES.len()]).collect()
    }
}
