//! For any file the loader returns a configuration, or faults with their places.
#![allow(clippy::unwrap_used, reason = "in a test it says where")]

mod common;

use proptest::prelude::*;
use sermux_port_config::config::load::{load_str, MAX_FILE};

/// Pieces that mean something to YAML or to us, so that chance gets further than the first line.
fn yaml_like() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "ports:",
        "defaults:",
        "include:",
        "log:",
        "p:",
        "q:",
        "device:",
        "listen:",
        "line:",
        "address:",
        "protocol:",
        "frame:",
        "keepalive:",
        "modem:",
        "profile:",
        " sim:echo",
        " /dev/null",
        " 9600 8N1",
        " raw",
        " dsmr",
        " 4001",
        " \"*:9000\"",
        " off",
        "\n",
        "\n  ",
        "\n    ",
        "\n      - ",
        "\r\n",
        "\t",
        " {",
        "}",
        " [",
        "]",
        ", ",
        ": ",
        "- ",
        "? ",
        "&a ",
        "*a",
        "<<: *a",
        "!!str ",
        "!x ",
        "|\n",
        ">-\n ",
        "\"",
        "'",
        "\\",
        "#",
        " # c",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "\u{feff}",
        "\u{85}",
        "\u{2028}",
        "é",
        "~",
        "null",
        "0",
        "*",
        "&",
        "%",
        "@",
        "`",
        "\u{0}",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn answers(text: &str) {
    if let Err(faults) = load_str("x.yaml", text) {
        assert!(faults.len() > 0);
        for fault in &faults {
            assert!(fault.line >= 1 && fault.column >= 1, "{fault}");
            assert!(fault.line <= text.chars().filter(|c| matches!(c, '\n' | '\r')).count() + 1, "{fault}");
            assert!(!fault.to_string().contains('\u{1b}'));
        }
    }
}

proptest! {
    #![proptest_config(common::proptest_config())]

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        answers(&text);
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        let _ = sermux_port_config::config::load::load(file.path());
    }

    #[test]
    fn any_text_that_looks_like_a_configuration_is_answered(text in yaml_like()) {
        answers(&text);
    }

    #[test]
    fn a_valid_file_with_a_hole_or_a_turned_character_is_answered(
        cut in 0..5000usize, length in 0..40usize, with in "[ :\\-\\[\\]{}\"'*&#\n\ta0]{0,3}",
    ) {
        let mut text = common::every_key();
        let floor = |mut index: usize| { index = index.min(text.len()); while !text.is_char_boundary(index) { index -= 1 } index };
        let (from, to) = (floor(cut), floor(cut + length));
        text.replace_range(from..to, &with);
        answers(&text);
    }

    #[test]
    fn a_configuration_that_is_written_out_loads_again(config in common::any_config()) {
        let yaml = serde_yaml::to_string(&config).unwrap();
        let loaded = load_str("out.yaml", &yaml).map_err(|faults| TestCaseError::fail(format!("{faults}\n{yaml}")))?;
        prop_assert_eq!(loaded.config, config);
    }
}

#[test]
fn what_is_made_to_choke_a_reader_is_refused_at_once() {
    let wide = |piece: &str| piece.repeat(MAX_FILE / piece.len());
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..40 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        laughs.push_str(&format!("a{level}: &a{level} [{}]\n", below.trim_end_matches(", ")));
    }
    let mut tower = String::from("a0: &a0 {}\n");
    for level in 1..200 {
        tower.push_str(&format!("a{level}: &a{level} [[[[*a{}]]]]\n", level - 1));
    }
    let stairs: String = (0..1000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    let cases = [
        ("brackets", wide("["), "more than 64 deep"),
        ("braces", wide("{a: "), "more than 64 deep"),
        ("dashes", wide("- "), "more than 64 deep"),
        ("stairs", stairs, "more than 64 deep"),
        ("aliases of aliases", laughs, "more than 250000 values"),
        ("a tower of aliases", tower, "more than 64 deep"),
        ("values", wide("-\n"), "more than 250000 values"),
        ("an alias of itself", "a: &a [*a]\n".to_owned(), "inside of what it repeats"),
    ];
    for (name, text, expected) in cases {
        let faults = load_str("x.yaml", &text).unwrap_err();
        assert!(faults.to_string().contains(expected), "{name}: {}", faults.iter().next().unwrap());
    }
}

/// What costs time for each fault (its line, which may be the whole file; what was meant) is done for those that are shown.
#[test]
fn of_very_many_faults_only_those_that_are_shown_are_looked_into() {
    let keys = |more: &str| (0..45_000).map(|key| format!("max-clientz{key}: 1{more}")).collect::<String>();
    let below = |key: &str| format!("ports: {{ p: {{ {key}: {{ {} }} }} }}", keys(", "));
    for (name, text) in [
        ("a line each", keys("\n")),
        ("one line", format!("{{{}}}", keys(", "))),
        ("a port", format!("ports: {{ p: {{ {} }} }}", keys(", "))),
        ("a listener", format!("ports: {{ p: {{ listen: [{{ {} }}] }} }}", keys(", "))),
        ("http", "http: {".to_owned() + &keys(", ") + "}"),
        ("a section", below("keepalive")),
    ] {
        let faults = load_str("x.yaml", &text).unwrap_err();
        assert!((45_000..45_010).contains(&faults.len()), "{name}: {}", faults.len());
        let looked_into = faults.iter().filter(|fault| fault.source.is_some()).count();
        assert!(looked_into <= 100, "{name}: {looked_into} with their line");
        let proposals = faults.iter().filter(|fault| fault.help.is_some()).count();
        assert!((1..110).contains(&proposals), "{name}: {proposals} proposals");
        assert!(faults.to_string().len() < 100_000, "{name}");
    }
}

#[test]
fn of_a_file_that_is_endless_no_more_is_read_than_may_be() {
    let load = |path: &std::path::Path| sermux_port_config::config::load::load(path).unwrap_err().to_string();
    let device = load(std::path::Path::new("/dev/zero"));
    assert_eq!(device.lines().next(), Some("/dev/zero: this is a device, not an ordinary file"));
    // A terabyte that takes no place.
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(1 << 40).unwrap();
    assert!(load(file.path()).contains("the file is larger than 1 MiB"));
    let text = "#".repeat(10 * MAX_FILE);
    let faults = load_str("x.yaml", &text).unwrap_err();
    assert_eq!(faults.to_string().lines().next(), Some("x.yaml: the file is larger than 1 MiB"));
}
