//! stub
/// a
pub fn needs_escape(data: &[u8]) -> bool {
    memchr::memchr(0xff, data).is_some()
}
/// b
pub fn escape(data: &[u8], out: &mut [u8]) -> (usize, usize) {
    let n = data.len().min(out.len());
    out[..n].copy_from_slice(&data[..n]);
    (n, n)
}
/// c
pub fn taken(_escaped: &[u8], n: usize) -> (usize, bool) {
    (n, false)
}
