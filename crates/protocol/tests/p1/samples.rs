//! Whole telegrams as standards print them and meters send them.

use sermux_protocol::frame::Check;

use crate::{with_crc, Line};

/// The example of the DSMR 5.0.2 P1 companion standard, with its CRC. The standard prints EF2F, which belongs to some other
/// text: E47C is what other programs compute for these lines too. If this fails, do not change the sample.
pub(crate) const DSMR_5: &str = "/ISk5\\2MT382-1000\r\n\
    \r\n\
    1-3:0.2.8(50)\r\n\
    0-0:1.0.0(101209113020W)\r\n\
    0-0:96.1.1(4B384547303034303436333935353037)\r\n\
    1-0:1.8.1(123456.789*kWh)\r\n\
    1-0:1.8.2(123456.789*kWh)\r\n\
    1-0:2.8.1(123456.789*kWh)\r\n\
    1-0:2.8.2(123456.789*kWh)\r\n\
    0-0:96.14.0(0002)\r\n\
    1-0:1.7.0(01.193*kW)\r\n\
    1-0:2.7.0(00.000*kW)\r\n\
    0-0:96.7.21(00004)\r\n\
    0-0:96.7.9(00002)\r\n\
    1-0:99.97.0(2)(0-0:96.7.19)(101208152415W)(0000000240*s)(101208151004W)(0000000301*s)\r\n\
    1-0:32.32.0(00002)\r\n\
    1-0:52.32.0(00001)\r\n\
    1-0:72.32.0(00000)\r\n\
    1-0:32.36.0(00000)\r\n\
    1-0:52.36.0(00003)\r\n\
    1-0:72.36.0(00000)\r\n\
    0-0:96.13.0(303132333435363738393A3B3C3D3E3F303132333435363738393A3B3C3D3E3F303132333435363738393A3B3C3D3E3F\
    303132333435363738393A3B3C3D3E3F303132333435363738393A3B3C3D3E3F)\r\n\
    1-0:32.7.0(220.1*V)\r\n\
    1-0:52.7.0(220.2*V)\r\n\
    1-0:72.7.0(220.3*V)\r\n\
    1-0:31.7.0(001*A)\r\n\
    1-0:51.7.0(002*A)\r\n\
    1-0:71.7.0(003*A)\r\n\
    1-0:21.7.0(01.111*kW)\r\n\
    1-0:41.7.0(02.222*kW)\r\n\
    1-0:61.7.0(03.333*kW)\r\n\
    1-0:22.7.0(04.444*kW)\r\n\
    1-0:42.7.0(05.555*kW)\r\n\
    1-0:62.7.0(06.666*kW)\r\n\
    0-1:24.1.0(003)\r\n\
    0-1:96.1.0(3232323241424344313233343536373839)\r\n\
    0-1:24.2.1(101209112500W)(12785.123*m3)\r\n\
    !E47C\r\n";

/// Versions 2 and 3: no CRC, and the gas reading on a line of its own that begins with a parenthesis.
const DSMR_2: &str = "/KMP5 KA6U001234567890\r\n\
    \r\n\
    0-0:96.1.1(204B413655303031323334353637383930)\r\n\
    1-0:1.8.1(00612.345*kWh)\r\n\
    1-0:1.8.2(00598.001*kWh)\r\n\
    1-0:2.8.1(00000.000*kWh)\r\n\
    1-0:2.8.2(00000.000*kWh)\r\n\
    0-0:96.14.0(0001)\r\n\
    1-0:1.7.0(0000.42*kW)\r\n\
    1-0:2.7.0(0000.00*kW)\r\n\
    0-0:17.0.0(0999.00*kW)\r\n\
    0-0:96.3.10(1)\r\n\
    0-0:96.13.1()\r\n\
    0-0:96.13.0()\r\n\
    0-1:24.1.0(3)\r\n\
    0-1:96.1.0(3238313031353431303031333733353131)\r\n\
    0-1:24.3.0(121030140000)(00)(60)(1)(0-1:24.2.0)(m3)\r\n\
    (00124.477)\r\n\
    0-1:24.4.0(1)\r\n\
    !\r\n";

/// eMUCS-P1, Belgium: backslashes in the identification, a long one-line history of monthly peaks.
const BELGIAN: &str = "/FLU5\\253769484_A\r\n\
    \r\n\
    0-0:96.1.4(50217)\r\n\
    0-0:96.1.1(3153414733313031303231363035)\r\n\
    0-0:1.0.0(230101120000W)\r\n\
    1-0:1.8.1(000034.123*kWh)\r\n\
    1-0:1.4.0(02.351*kW)\r\n\
    1-0:1.6.0(221215181500W)(05.345*kW)\r\n\
    0-0:98.1.0(2)(1-0:1.6.0)(1-0:1.6.0)(221001000000S)(220915181500S)(04.329*kW)(221101000000W)(221015181500S)(04.529*kW)\r\n\
    0-0:96.3.10(1)\r\n\
    0-1:24.2.3(230101115500W)(00112.384*m3)\r\n\
    !";

#[test]
fn the_example_of_the_dsmr_5_standard_is_good() {
    let line = Line::that_received(DSMR_5.as_bytes());
    assert_eq!(line.telegrams(), [(DSMR_5.as_bytes(), Check::Good)]);
}

#[test]
fn a_dsmr_2_telegram_has_no_check() {
    let line = Line::that_received(DSMR_2.as_bytes());
    assert_eq!(line.telegrams(), [(DSMR_2.as_bytes(), Check::Absent)]);
}

#[test]
fn a_belgian_telegram_is_good() {
    let telegram = with_crc(BELGIAN);
    let line = Line::that_received(&telegram);
    assert_eq!(line.telegrams(), [(&telegram[..], Check::Good)]);
}

#[test]
fn one_changed_character_makes_the_example_bad() {
    let telegram = DSMR_5.replace("01.193", "01.198");
    let line = Line::that_received(telegram.as_bytes());
    assert_eq!(line.telegrams(), [(telegram.as_bytes(), Check::Bad)]);
    assert_eq!((line.counters().telegrams, line.counters().crc_bad), (1, 1));
}

#[test]
fn a_meter_that_is_joined_in_the_middle_is_framed_from_the_next_telegram_on() {
    let stream = DSMR_5.repeat(3);
    let line = Line::that_received(&stream.as_bytes()[200..]);
    assert_eq!(line.telegrams(), [(DSMR_5.as_bytes(), Check::Good); 2]);
    assert_eq!(line.counters().stray_bytes, DSMR_5.len() as u64 - 200);
    assert_eq!(line.counters().abandoned, 0);
}
