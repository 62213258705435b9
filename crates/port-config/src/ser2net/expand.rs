//! Names and files inside texts: `*(name)` and `*{file}`, in version 2 `=(name)` and `={file}`.

use std::collections::HashMap;
use std::path::Path;

use super::files::Files;
use super::remark::ImportRefusal;
use super::yaml::PlacedText;
use crate::config::source::Place;
use crate::error::shown;

/// The longest text, in bytes, with all that is put into it.
pub(super) const MAX_TEXT: usize = 64 * 1024;

/// What `define` has named.
#[derive(Debug, Default)]
pub(super) struct Defines(HashMap<String, String>);

impl Defines {
    pub(super) fn set(&mut self, name: &str, value: String) {
        self.0.insert(name.to_owned(), value);
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// A text with everything put into it; `mark` is `*` or `=`.
pub(super) fn expand(
    text: &PlacedText,
    mark: char,
    defines: &Defines,
    files: &dyn Files,
) -> Result<PlacedText, ImportRefusal> {
    if !text.text.contains(mark) {
        return Ok(text.clone());
    }
    let mut expanded = String::new();
    let mut rest = text.text.as_str();
    while let Some((before, behind)) = rest.split_once(mark) {
        expanded.push_str(before);
        let offset = text.text.chars().count() - behind.chars().count() - 1;
        let place = |width: usize| text.at(offset, width);
        let (close, what) = match behind.chars().next() {
            Some('(') => (')', "name"),
            Some('{') => ('}', "file"),
            // `**` is one `*`.
            Some('*') if mark == '*' => {
                expanded.push('*');
                rest = &behind[1..];
                continue;
            }
            _ => {
                expanded.push(mark);
                rest = behind;
                continue;
            }
        };
        let inside = &behind[1..];
        // `*(*` is `*(`
        if inside.starts_with(mark) {
            expanded.push(mark);
            expanded.push_str(&behind[..1]);
            rest = &inside[1..];
            continue;
        }
        let Some((name, end)) = inside.split_once(close) else {
            let message = format!("the {what} behind `{mark}` has no end");
            return Err(ImportRefusal::fault(place(2), message, format!("close it with `{close}`")));
        };
        let width = name.chars().count() + 3;
        if close == ')' {
            expanded.push_str(defines.value(name).ok_or_else(|| unknown(name, place(width)))?);
        } else {
            expanded.push_str(&file(name, place(width), files)?);
        }
        if expanded.len() > MAX_TEXT {
            let message = "with what is put into it this text is longer than 64 KiB";
            return Err(ImportRefusal::fault(text.place, message, "use fewer names in it"));
        }
        rest = end;
    }
    expanded.push_str(rest);
    Ok(PlacedText { is_literal: expanded == text.text && text.is_literal, text: expanded, place: text.place })
}

pub(super) fn unknown(name: &str, place: Place) -> ImportRefusal {
    let message = format!("nothing above is named `{}`", shown(name));
    ImportRefusal::fault(place, message, "define it above, or correct the name")
}

fn file(name: &str, place: Place, files: &dyn Files) -> Result<String, ImportRefusal> {
    files.read(Path::new(name), MAX_TEXT).map_err(|why| {
        ImportRefusal::fault(place, format!("{}: {why}", shown(name)), "check the name and who may read the file")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ser2net::files::NoFiles;

    fn expanded(text: &str, mark: char) -> Result<String, String> {
        let mut defines = Defines::default();
        defines.set("a", "A".to_owned());
        defines.set("b c", "BC".to_owned());
        let text = PlacedText { text: text.to_owned(), place: Place::start(0), is_literal: true };
        expand(&text, mark, &defines, &NoFiles).map(|text| text.text).map_err(|refusal| format!("{refusal:?}"))
    }

    #[test]
    fn names_are_put_into_texts_and_marks_can_stand_for_themselves() {
        for (text, result) in [
            ("", ""),
            ("plain * text", "plain * text"),
            ("x*(a)y*(a)", "xAyA"),
            ("*(b c)", "BC"),
            ("*(*a)", "*(a)"),
            ("*{*a}", "*{a}"),
            ("**(a)", "*(a)"),
            ("***(a)", "*A"),
            ("a*", "a*"),
            ("=(a)", "=(a)"),
        ] {
            assert_eq!(expanded(text, '*').as_deref(), Ok(result), "{text:?}");
        }
        assert_eq!(expanded("x=(a)=(=a)={=a}==*(a)", '=').as_deref(), Ok("xA=(a)={a}==*(a)"));
    }

    #[test]
    fn what_has_no_name_or_no_end_is_a_fault() {
        for (text, what) in [("*(no)", "named `no`"), ("*(a", "no end"), ("*{a", "no end"), ("*{a}", "in no file")] {
            assert!(expanded(text, '*').unwrap_err().contains(what), "{text:?}");
        }
    }
}
