//! The statements of a YAML file, one after the other: names and defaults hold for what stands below them.

mod connections;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::comments::Comments;
use super::conf;
use super::connection::{Connection, Setting, SettingOrigin};
use super::defaults::Ser2netDefaults;
use super::expand::{expand, unknown, Defines};
use super::files::Files;
use super::remark::{ImportRefusal, Remark, Remarks};
use super::yaml::{self, PlacedText, YamlEntry, YamlNode, YamlValue};
use crate::config::keys::nearest;
use crate::config::load::{MAX_FILE, MAX_FILES, MAX_TOTAL};
use crate::config::source::{Place, Problem, Sources};
use crate::error::shown;

/// Everything that is read.
pub(super) struct Ser2netReader<'a> {
    pub(super) files: &'a dyn Files,
    pub(super) sources: Sources,
    pub(super) faults: Vec<Problem>,
    pub(super) remarks: Vec<Remark>,
    pub(super) connections: Vec<Connection>,
    pub(super) defaults: Ser2netDefaults,
    /// Connections that are left out.
    pub(super) left_out: usize,
    defines: Defines,
    version: Option<(FileVersion, Place)>,
    included: HashSet<PathBuf>,
    total: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileVersion {
    One,
    Two,
}

impl FileVersion {
    fn mark(self) -> char {
        match self {
            FileVersion::One => '*',
            FileVersion::Two => '=',
        }
    }
}

/// The words at the left margin: of version 1, of version 2, and what they are.
const STATEMENTS: [(&str, &str, Statement); 7] = [
    ("define", "defines", Statement::Define),
    ("default", "defaults", Statement::Default),
    ("delete_default", "delete_defaults", Statement::DeleteDefault),
    ("connection", "connections", Statement::Connection),
    ("rotator", "rotators", Statement::Rotator),
    ("led", "leds", Statement::Led),
    ("admin", "admins", Statement::Admin),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Statement {
    Define,
    Default,
    DeleteDefault,
    Connection,
    Rotator,
    Led,
    Admin,
    Include,
}

/// Whether a line at the left margin shows that the file is ser2net's; no other file has these words there.
pub(super) fn is_statement(key: &str) -> bool {
    // The other words of version 2 may also stand in a file of sermux.
    STATEMENTS.iter().any(|(one, two, _)| key.eq_ignore_ascii_case(one) || key.eq_ignore_ascii_case(two))
        && !key.eq_ignore_ascii_case("defaults")
}

/// Where a statement begins, and the comments of its file.
struct CommentScope<'t> {
    comments: &'t Comments,
    first: usize,
}

impl<'a> Ser2netReader<'a> {
    pub(super) fn new(files: &'a dyn Files) -> Ser2netReader<'a> {
        Ser2netReader {
            files,
            sources: Sources::default(),
            faults: Vec::new(),
            remarks: Vec::new(),
            connections: Vec::new(),
            defaults: Ser2netDefaults::default(),
            left_out: 0,
            defines: Defines::default(),
            version: None,
            included: HashSet::new(),
            total: 0,
        }
    }

    /// A file of any of the three kinds.
    pub(super) fn file(&mut self, name: &str, text: &str) {
        self.total += text.len();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let file = self.sources.add(name.to_owned(), text.to_owned());
        if conf::is_conf(text) {
            conf::read(self, file, text);
        } else {
            self.yaml(file, text);
        }
    }

    fn yaml(&mut self, file: usize, text: &str) {
        let mut tree = yaml::read(file, text);
        self.faults.append(&mut tree.problems);
        for document in &tree.documents {
            let YamlValue::Map(entries) = &document.value else {
                let message = format!("a configuration of ser2net is a mapping, not {}", document.kind());
                self.faults.push(
                    Problem::new(document.place, "", message)
                        .help("write `connection: &name` and below it, indented, its keys"),
                );
                continue;
            };
            for entry in entries {
                self.statement(entry, &CommentScope { comments: &tree.comments, first: entry.key.place.line });
            }
        }
    }

    fn statement(&mut self, entry: &YamlEntry, scope: &CommentScope<'_>) {
        let key = &entry.key;
        let Some((statement, version)) = statement(&key.text) else {
            let help = match nearest(&key.text.to_ascii_lowercase(), words()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the words here are {}", words().collect::<Vec<_>>().join(", ")),
            };
            self.faults.push(
                Problem::new(key.place, shown(&key.text), "ser2net has no such word at the left margin").help(help),
            );
            return;
        };
        if let Some(version) = version {
            let (first, place) = *self.version.get_or_insert((version, key.place));
            if first != version {
                let message = format!(
                    "`{}` does not go with the words of the other version of ser2net's files",
                    shown(&key.text)
                );
                self.faults.push(Problem::new(key.place, "", message).note("the other version begins at", place).help(
                    "write `connection: &name` for each (version 1), or `connections:` with a key for each (version 2)",
                ));
                return;
            }
        }
        match (statement, version) {
            (Statement::Include, _) => self.include(&entry.value),
            (statement, Some(FileVersion::Two)) => self.plural(statement, entry, scope),
            (statement, _) => self.singular(statement, entry, scope),
        }
    }

    /// Version 1: the name is the anchor.
    fn singular(&mut self, statement: Statement, entry: &YamlEntry, scope: &CommentScope<'_>) {
        let (node, place) = (&entry.value, entry.key.place);
        let name = node.anchor.clone();
        match (statement, name) {
            (Statement::Define, Some(name)) => self.define(&name, node),
            (Statement::Define, None) => self.faults.push(without_name(place, "define", "`define: &banner text`")),
            (Statement::Default, _) => self.default(node),
            (Statement::DeleteDefault, _) => self.delete_default(node),
            (Statement::Connection, name) => self.connection(name, place, node, scope),
            (Statement::Rotator, name) => self.beside(Statement::Rotator, &name.unwrap_or_default(), place),
            (Statement::Led, name) => self.beside(Statement::Led, &name.unwrap_or_default(), place),
            (Statement::Admin, _) => self.beside(Statement::Admin, "", place),
            (Statement::Include, _) => {}
        }
    }

    /// Version 2: a mapping of names, or a list.
    fn plural(&mut self, statement: Statement, entry: &YamlEntry, scope: &CommentScope<'_>) {
        let entries = match &entry.value.value {
            YamlValue::Null => return,
            YamlValue::Map(entries) => entries,
            YamlValue::Seq(nodes) => {
                for node in nodes {
                    match statement {
                        Statement::Default => self.default(node),
                        Statement::DeleteDefault => self.delete_default(node),
                        Statement::Admin => self.beside(statement, "", node.place),
                        Statement::Include => self.include(node),
                        _ => self.named_in_list(statement, node, scope),
                    }
                }
                return;
            }
            _ => {
                let message =
                    format!("a mapping is needed behind `{}`, not {}", shown(&entry.key.text), entry.value.kind());
                self.faults.push(
                    Problem::new(entry.value.place, "", message).help("write a name for each below it, indented"),
                );
                return;
            }
        };
        for named in entries {
            let scope = CommentScope { comments: scope.comments, first: named.key.place.line };
            let (name, place) = (&named.key.text, named.key.place);
            match statement {
                Statement::Define => self.define(name, &named.value),
                Statement::Default => self.default_by_name(&named.key, &named.value),
                Statement::DeleteDefault => self.delete_default_by_name(name, place, &named.value),
                Statement::Connection => self.connection(Some(name.clone()), place, &named.value, &scope),
                Statement::Rotator | Statement::Led | Statement::Admin => self.beside(statement, name, place),
                Statement::Include => {}
            }
        }
    }

    /// `- name: con1` and its other keys.
    fn named_in_list(&mut self, statement: Statement, node: &YamlNode, scope: &CommentScope<'_>) {
        let YamlValue::Map(entries) = &node.value else {
            self.faults.push(
                Problem::new(node.place, "", format!("a mapping is needed here, not {}", node.kind()))
                    .help("write `name:` and the other keys"),
            );
            return;
        };
        let of = |key: &str| entries.iter().find(|entry| entry.key.text.eq_ignore_ascii_case(key));
        let name = of("name").and_then(|entry| text_of(&entry.value)).map(|text| text.text.clone());
        match statement {
            Statement::Connection => self.connection(name, node.place, node, scope),
            Statement::Define => {
                if let (Some(name), Some(value)) = (name, of("value")) {
                    self.define(&name, &value.value);
                }
            }
            _ => self.beside(statement, &name.unwrap_or_default(), node.place),
        }
    }

    fn define(&mut self, name: &str, node: &YamlNode) {
        match self.text(node, "text") {
            Ok(text) => self.defines.set(name, text.map_or_else(String::new, |text| text.text)),
            Err(refusal) => self.refuse(name, refusal),
        }
    }

    /// `{ name: …, value: …, class: … }`
    fn default(&mut self, node: &YamlNode) {
        let Some((name, value, class)) = self.name_value_class(node, "default") else { return };
        let Some(name) = name else {
            self.faults.push(without_name(node.place, "default", "`name: speed` and `value: 9600`"));
            return;
        };
        let value = value.unwrap_or(PlacedText { text: String::new(), place: node.place, is_literal: false });
        self.defaults.set(class.as_deref(), &name, value);
    }

    /// `speed: 9600`, `speed: { value: 9600, class: serialdev }`, `serialdev: { speed: 9600 }`
    fn default_by_name(&mut self, name: &PlacedText, node: &YamlNode) {
        let YamlValue::Map(entries) = &node.value else {
            match self.text(node, "value") {
                Ok(value) => {
                    let value =
                        value.unwrap_or(PlacedText { text: String::new(), place: node.place, is_literal: false });
                    self.defaults.set(None, &name.text, value);
                }
                Err(refusal) => self.refuse(&name.text, refusal),
            }
            return;
        };
        if entries.iter().any(|entry| matches!(entry.key.text.to_ascii_lowercase().as_str(), "value" | "class")) {
            let Some((_, value, class)) = self.name_value_class(node, "defaults") else { return };
            let value = value.unwrap_or(PlacedText { text: String::new(), place: node.place, is_literal: false });
            self.defaults.set(class.as_deref(), &name.text, value);
            return;
        }
        for entry in entries {
            match self.text(&entry.value, "value") {
                Ok(Some(value)) => self.defaults.set(Some(&name.text), &entry.key.text, value),
                Ok(None) => {}
                Err(refusal) => self.refuse(&name.text, refusal),
            }
        }
    }

    fn delete_default(&mut self, node: &YamlNode) {
        let Some((name, _, class)) = self.name_value_class(node, "delete_default") else { return };
        match (name, class) {
            (Some(name), Some(class)) => {
                self.defaults.delete(&class, &name);
            }
            _ => self.faults.push(
                Problem::new(node.place, "", "what is deleted has a name and a class")
                    .help("write `{ name: speed, class: serialdev }`"),
            ),
        }
    }

    /// `speed: serialdev`, `speed: { class: serialdev }`
    fn delete_default_by_name(&mut self, name: &str, place: Place, node: &YamlNode) {
        let class = match &node.value {
            YamlValue::Map(_) => self.name_value_class(node, "delete_defaults").and_then(|(_, _, class)| class),
            _ => text_of(node).map(|text| text.text.clone()),
        };
        match class {
            Some(class) => {
                self.defaults.delete(&class, name);
            }
            None => self.faults.push(
                Problem::new(place, "", "what is deleted has a class").help("write `speed: { class: serialdev }`"),
            ),
        }
    }

    #[allow(clippy::type_complexity, reason = "three words of one mapping")]
    fn name_value_class(
        &mut self,
        node: &YamlNode,
        what: &str,
    ) -> Option<(Option<String>, Option<PlacedText>, Option<String>)> {
        let YamlValue::Map(entries) = &node.value else {
            let message = format!("a mapping is needed behind `{what}`, not {}", node.kind());
            self.faults.push(
                Problem::new(node.place, "", message).help("write `{ name: speed, value: 9600, class: serialdev }`"),
            );
            return None;
        };
        let (mut name, mut value, mut class) = (None, None, None);
        for entry in entries {
            let text = match self.text(&entry.value, "value") {
                Ok(text) => text,
                Err(refusal) => {
                    self.refuse(what, refusal);
                    return None;
                }
            };
            match entry.key.text.to_ascii_lowercase().as_str() {
                "name" => name = text.map(|text| text.text),
                "value" => value = text,
                "class" => class = text.map(|text| text.text),
                other => {
                    let message = format!("`{}` is no key of `{what}`", shown(other));
                    self.faults
                        .push(Problem::new(entry.key.place, "", message).help("the keys are name, value and class"));
                    return None;
                }
            }
        }
        Some((name, value, class))
    }

    fn needed(&self, entry: &YamlEntry) -> Result<PlacedText, ImportRefusal> {
        self.text(&entry.value, &entry.key.text)?.filter(|text| !text.text.trim().is_empty()).ok_or_else(|| {
            ImportRefusal::fault(
                entry.key.place,
                format!("there is nothing behind `{}`", shown(&entry.key.text)),
                "write its value behind the colon",
            )
        })
    }

    /// A single value with all that is put into it; `None` is nothing.
    fn text(&self, node: &YamlNode, what: &str) -> Result<Option<PlacedText>, ImportRefusal> {
        match &node.value {
            YamlValue::Null => Ok(None),
            YamlValue::Text(text) => {
                let mark = self.version.map_or('*', |(version, _)| version.mark());
                expand(text, mark, &self.defines, self.files).map(Some)
            }
            YamlValue::Alias(name) => match self.defines.value(name) {
                Some(value) => Ok(Some(PlacedText { text: value.to_owned(), place: node.place, is_literal: false })),
                None => Err(unknown(name, node.place)),
            },
            YamlValue::Seq(_) | YamlValue::Map(_) => {
                let message = format!("a single value is needed for `{}`, not {}", shown(what), node.kind());
                Err(ImportRefusal::fault(node.place, message, "write it in one line"))
            }
        }
    }

    /// What stands beside the connections and has no meaning here.
    fn beside(&mut self, statement: Statement, name: &str, place: Place) {
        let (subject, text) = match statement {
            Statement::Rotator => ("rotator", "sermux has no address yet that leads to the first free port of a group: left out"),
            Statement::Led => ("led", "sermux switches no LEDs: left out"),
            _ => ("admin", "there is no port for administration by telnet; `sermux status`, `kick` and `set` do this on the machine itself"),
        };
        let mut remarks = Remarks::about(format!("{subject} {name}").trim_end());
        remarks.no_equivalent(place, text);
        self.remarks.append(&mut remarks.list);
    }

    pub(super) fn refuse(&mut self, subject: &str, refusal: ImportRefusal) {
        match refusal {
            ImportRefusal::Fault(problem) => self.faults.push(*problem),
            ImportRefusal::LeftOut(place, text) => {
                let mut remarks = Remarks::about(subject);
                remarks.no_equivalent(place, format!("left out: {text}"));
                self.remarks.append(&mut remarks.list);
            }
        }
    }

    /// What the files say that a pattern finds, here.
    fn include(&mut self, node: &YamlNode) {
        if let YamlValue::Seq(nodes) = &node.value {
            nodes.iter().for_each(|node| self.include(node));
            return;
        }
        let pattern = match self.text(node, "include") {
            Ok(Some(pattern)) => pattern,
            Ok(None) => {
                self.faults.push(
                    Problem::new(node.place, "", "`include` names no file").help("write `include: conf.d/*.yaml`"),
                );
                return;
            }
            Err(refusal) => return self.refuse("include", refusal),
        };
        let fault = |message: String| {
            Problem::new(pattern.place, "", message).help("name files in the folder of this file, or below it")
        };
        let found = match self.files.matching(&pattern.text) {
            Ok(found) => found,
            Err(why) => return self.faults.push(fault(format!("{}: {why}", shown(&pattern.text)))),
        };
        for path in found {
            let name = path.display().to_string();
            if self.included.len() >= MAX_FILES {
                self.faults.push(fault(format!("more than {MAX_FILES} files are included")));
                return;
            }
            // One that includes itself, or that two patterns find.
            if !self.included.insert(self.files.real(&path).unwrap_or_else(|| path.clone())) {
                continue;
            }
            match self.read(&path) {
                Ok(text) => self.file(&name, &text),
                Err(why) => self.faults.push(fault(format!("{}: {why}", shown(&name)))),
            }
        }
    }

    fn read(&self, path: &Path) -> Result<String, String> {
        let text = self.files.read(path, MAX_FILE)?;
        if self.total + text.len() > MAX_TOTAL {
            return Err("with this file the configuration is larger than 16 MiB".to_owned());
        }
        Ok(text)
    }

    /// That a file is read already: it is not read again where it includes itself.
    pub(super) fn has_read(&mut self, path: &Path) {
        self.included.insert(self.files.real(path).unwrap_or_else(|| path.to_owned()));
    }
}

/// The options of connections that `default:` has set.
pub(super) fn of_defaults(defaults: &Ser2netDefaults) -> Vec<Setting> {
    let settings = defaults.of("ser2net").filter(|(name, _)| super::options::is_option(name));
    settings
        .map(|(name, value)| Setting {
            name: name.to_owned(),
            value: Some(value.clone()),
            place: value.place,
            origin: SettingOrigin::Default,
        })
        .collect()
}

fn without_name(place: Place, what: &str, example: &str) -> Problem {
    Problem::new(place, "", format!("this `{what}` has no name")).help(format!("write {example}"))
}

/// The line in which its last value begins.
fn last_line(node: &YamlNode) -> usize {
    let below = match &node.value {
        YamlValue::Map(entries) => entries.iter().map(|entry| last_line(&entry.value).max(entry.key.place.line)).max(),
        YamlValue::Seq(nodes) => nodes.iter().map(last_line).max(),
        YamlValue::Null | YamlValue::Text(_) | YamlValue::Alias(_) => None,
    };
    below.unwrap_or(node.place.line).max(node.place.line)
}

fn text_of(node: &YamlNode) -> Option<&PlacedText> {
    match &node.value {
        YamlValue::Text(text) => Some(text),
        _ => None,
    }
}

/// In decimal, or as C writes octal and hexadecimal numbers.
pub(super) fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    match (text.strip_prefix("0x"), text.strip_prefix('0')) {
        (Some(digits), _) => u64::from_str_radix(digits, 16).ok(),
        (None, Some(digits)) if !digits.is_empty() => u64::from_str_radix(digits, 8).ok(),
        _ => text.parse().ok(),
    }
}

pub(super) fn spelt(name: &str) -> String {
    name.trim().to_ascii_lowercase().replace('_', "-")
}

fn statement(key: &str) -> Option<(Statement, Option<FileVersion>)> {
    let key = key.to_ascii_lowercase().replace('-', "_");
    if key == "include" || key == "includes" {
        return Some((Statement::Include, None));
    }
    STATEMENTS.iter().find_map(|(one, two, statement)| match key.as_str() {
        key if key == *one => Some((*statement, Some(FileVersion::One))),
        key if key == *two => Some((*statement, Some(FileVersion::Two))),
        _ => None,
    })
}

fn words() -> impl Iterator<Item = &'static str> + Clone {
    STATEMENTS.iter().map(|(one, ..)| *one).chain(["include"])
}
