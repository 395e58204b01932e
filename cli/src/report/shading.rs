//! How numbers become shades. Signs are told by hue (blue and orange, which colour-blind people tell
//! apart), by the underline's form and by the number itself; sizes by how dark.

/// How many shades there are of each hue.
const SHADES: f32 = 5.0;

/// The CSS class of a signed value: `plus-1` to `plus-5`, `minus-1` to `minus-5`, or nothing near 0.
pub fn signed(value: f32, largest: f32) -> String {
    let shade = shade(value.abs(), largest);
    match (shade, value > 0.0) {
        (0, _) => String::new(),
        (shade, true) => format!("plus-{shade}"),
        (shade, false) => format!("minus-{shade}"),
    }
}

/// The CSS class of a share: `share-0` to `share-5`.
pub fn share(value: f64) -> String {
    format!("share-{}", shade(value as f32, 1.0))
}

fn shade(size: f32, largest: f32) -> u32 {
    if largest <= 0.0 { 0 } else { (size / largest * SHADES).round().clamp(0.0, SHADES) as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shades_run_from_none_to_the_darkest() {
        assert_eq!(signed(0.0, 1.0), "");
        assert_eq!(signed(0.05, 1.0), "");
        assert_eq!(signed(2.0, 2.0), "plus-5");
        assert_eq!(signed(-0.4, 2.0), "minus-1");
        assert_eq!(signed(0.0, 0.0), "");
        assert_eq!(share(1.0), "share-5");
        assert_eq!(share(0.0), "share-0");
    }
}
