//! Which paths there are, for an answer to a request that names another path or method.

use axum::http::{StatusCode, Uri};

use super::http::Refusal;

/// Method and path; NAME stands for any port.
pub(super) const PATHS: [(&str, &str); 19] = [
    ("GET", "/metrics"),
    ("GET", "/health"),
    ("GET", "/v1/openapi.json"),
    ("GET", "/v1/status"),
    ("GET", "/v1/config"),
    ("POST", "/v1/reload"),
    ("GET", "/v1/ports/NAME"),
    ("GET", "/v1/ports/NAME/history"),
    ("GET", "/v1/ports/NAME/follow"),
    ("GET", "/v1/ports/NAME/telegram"),
    ("GET", "/v1/ports/NAME/reading"),
    ("POST", "/v1/ports/NAME/kick"),
    ("POST", "/v1/ports/NAME/set"),
    ("POST", "/v1/ports/NAME/modem"),
    ("POST", "/v1/ports/NAME/break"),
    ("POST", "/v1/ports/NAME/purge"),
    ("POST", "/v1/ports/NAME/reset"),
    ("POST", "/v1/ports/NAME/pause"),
    ("POST", "/v1/ports/NAME/resume"),
];

/// There is nothing at this path.
pub(super) fn unknown(uri: &Uri) -> Refusal {
    no_path(uri, PATHS.iter().map(|(method, path)| format!("{method} {path}")).collect())
}

/// There is nothing at this path, where only questions are answered.
pub(super) fn unknown_question(uri: &Uri) -> Refusal {
    let questions = PATHS.iter().filter(|(method, path)| *method == "GET" && *path != "/v1/config");
    no_path(uri, questions.map(|(_, path)| (*path).to_owned()).collect())
}

fn no_path(uri: &Uri, known: Vec<String>) -> Refusal {
    let path = uri.path().escape_debug();
    Refusal::new(StatusCode::NOT_FOUND, format!("there is no path {path}"))
        .help(format!("the paths are {}; sermux-api(7) describes them", known.join(", ")))
}

/// Only questions are answered.
pub(super) fn read_only() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "nothing can be changed here; use GET")
        .help("the control socket accepts changes; sermux-api(7) describes the paths")
}

/// There is a path, and another method for it.
pub(super) fn wrong_method(uri: &Uri) -> Refusal {
    match PATHS.iter().find(|(_, path)| is_path(uri.path(), path)) {
        Some((method, _)) => {
            let error = format!("method not allowed; use {method}");
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, error).help("sermux-api(7) describes the paths")
        } // It looks like a command to a port, and is none of them.
        None => unknown(uri),
    }
}

fn is_path(asked: &str, known: &str) -> bool {
    let mut segments = asked.split('/');
    known.split('/').all(|known| segments.next().is_some_and(|asked| known == "NAME" || asked == known))
        && segments.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_allowed_method_is_named() {
        let error = |path: &'static str| wrong_method(&Uri::from_static(path)).body.error;
        assert_eq!(error("/v1/status"), "method not allowed; use GET");
        assert_eq!(error("/v1/ports/p1"), "method not allowed; use GET");
        assert_eq!(error("/v1/ports/p1/set?x=1"), "method not allowed; use POST");
        assert_eq!(error("/v1/ports/p1/frobnicate"), "there is no path /v1/ports/p1/frobnicate");
    }
}
