//! Decodes any bytes as a telegram. What comes back is no more than there was, and is found again by its own names.

use sermux_protocol::reading::{decode, Obis, ObjectValue, Quantity, MOST_BYTES};

/// Any bytes, and the same with what makes a telegram of them.
pub fn run(input: &[u8]) {
    check(input);
    check(&[b"/XMX5\r\n", input, b"\r\n!\r\n"].concat());
}

fn check(telegram: &[u8]) {
    let Ok(reading) = decode(telegram) else { return };
    assert!(telegram.len() <= MOST_BYTES && telegram.starts_with(b"/"));
    let chars = |text: &String| text.chars().count();
    let objects: usize = reading.objects.iter().map(|object| chars(&object.raw) + "0-0:0.0.0".len()).sum();
    let unread: usize = reading.unread.iter().map(chars).sum();
    assert!(chars(&reading.identification) + objects + unread <= telegram.len());
    for object in &reading.objects {
        let Obis { a, b, c, d, e, f } = object.code;
        assert_eq!(object.quantity, Quantity::of(&Obis { a, b, c, d, e, f }));
        if let ObjectValue::Measure(measure) = &object.value {
            assert!(measure.number.as_f64().is_finite());
            assert!(!measure.to_string().is_empty());
        }
        if let Some(quantity) = object.quantity {
            assert!(reading.value(quantity).is_some() && !quantity.to_string().is_empty());
        }
    }
    assert!(reading.meters().len() <= reading.objects.len());
}
