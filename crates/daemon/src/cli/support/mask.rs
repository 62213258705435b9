//! Takes secrets out of a configuration. In doubt it takes too much.

/// What a secret's key has in its name.
const SECRET: [&str; 10] =
    ["password", "passwd", "passphrase", "secret", "token", "credential", "api-key", "private", "authorization", "psk"];

const MASK: &str = "***";

/// The text with each secret's value replaced.
pub(super) fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    // How far the key of a secret that goes on in the next lines is indented.
    let mut inside: Option<usize> = None;
    let mut in_key = false;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        if line.contains("-----BEGIN ") {
            in_key = true;
        }
        let is_item = line.trim_start().starts_with("- ");
        let is_more = inside.is_some_and(|key| indent > key || (indent == key && is_item) || line.trim().is_empty());
        if in_key || is_more {
            in_key &= !line.contains("-----END ");
            shown.push_str(&" ".repeat(indent));
            shown.push_str(MASK);
        } else {
            inside = None;
            match secret(line) {
                Some(end) => {
                    inside = Some(indent);
                    shown.push_str(&line[..end]);
                    shown.push(' ');
                    shown.push_str(MASK);
                }
                None => shown.push_str(&without_credentials(line)),
            }
        }
        shown.push('\n');
    }
    shown
}

/// Where the value of a secret begins in a line.
fn secret(line: &str) -> Option<usize> {
    line.match_indices([':', '=']).find_map(|(at, _)| {
        let key =
            line[..at].rsplit(|c: char| c.is_whitespace() || "{,[?&;\"'".contains(c)).find(|word| !word.is_empty())?;
        let key = key.to_ascii_lowercase().replace('_', "-");
        // In an address, `?key=` is one; as a key of the configuration it names a file.
        let is_secret =
            SECRET.iter().any(|secret| key.contains(secret)) || (key == "key" && line[at..].starts_with('='));
        is_secret.then_some(at + 1)
    })
}

/// Addresses such as `rfc2217://name:word@host` without what is before the `@`.
pub(super) fn without_credentials(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("://") {
        // A password may have a slash in it.
        let end = after.find(|c: char| "\"'".contains(c) || c.is_whitespace()).unwrap_or(after.len());
        shown.push_str(before);
        shown.push_str("://");
        rest = match after[..end].rfind('@') {
            Some(at) => {
                shown.push_str(MASK);
                &after[at..]
            }
            None => after,
        };
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_and_the_rest_stays() {
        for (line, shown) in [
            ("password: hunter2", "password: ***"),
            ("  - { user: a, api_key: hunter2, b: c }", "  - { user: a, api_key: ***"),
            ("  \"auth-token\" : hunter2", "  \"auth-token\" : ***"),
            ("device: rfc2217://me:hunter2@10.0.0.7:4000", "device: rfc2217://***@10.0.0.7:4000"),
            ("# password=hunter2", "# password= ***"),
            ("a: http://u:hunter2@h/x http://v:hunter2@h", "a: http://***@h/x http://***@h"),
            ("a: http://u:hunt/er2@h/x", "a: http://***@h/x"),
            ("a: tcp://h:1?key=hunter2&b=1", "a: tcp://h:1?key= ***"),
            ("a: tcp://h:1?b=1&token=hunter2", "a: tcp://h:1?b=1&token= ***"),
            ("# Authorization: Bearer hunter2", "# Authorization: ***"),
            ("\"wifi_psk\": hunter2", "\"wifi_psk\": ***"),
            ("tls: { certificate: /etc/a.pem, key: /etc/b.pem }", "tls: { certificate: /etc/a.pem, key: /etc/b.pem }"),
            ("tokens:\n- hunter2\nb: 1", "tokens: ***\n***\nb: 1"),
            ("secret: |\n  hunter2\n\n  hunter2\nports: {}", "secret: ***\n  ***\n***\n  ***\nports: {}"),
            (
                "a: |\n  -----BEGIN PRIVATE KEY-----\n  hunter2\n  -----END PRIVATE KEY-----\nb: 1",
                "a: |\n  ***\n  ***\n  ***\nb: 1",
            ),
        ] {
            assert_eq!(masked(line), format!("{shown}\n"));
        }
    }
}
