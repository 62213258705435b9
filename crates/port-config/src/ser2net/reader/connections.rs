//! The statement `connection`: its keys and its options.

use super::{last_line, number, of_defaults, spelt, without_name, CommentScope, Ser2netReader};
use crate::config::keys::nearest;
use crate::config::source::Place;
use crate::error::shown;
use crate::ser2net::connection::{Connection, Setting, SettingOrigin};
use crate::ser2net::remark::{ImportRefusal, Remarks};
use crate::ser2net::yaml::{PlacedText, YamlEntry, YamlNode, YamlValue};
use crate::ser2net::{accepter, connector, switch};

impl Ser2netReader<'_> {
    pub(super) fn connection(&mut self, name: Option<String>, place: Place, node: &YamlNode, scope: &CommentScope<'_>) {
        let subject = name.clone().unwrap_or_default();
        match self.read_connection(name, place, node, scope) {
            Ok(connection) => self.connections.push(connection),
            Err(refusal) => {
                self.left_out += 1;
                self.refuse(&subject, refusal);
            }
        }
    }

    fn read_connection(
        &mut self,
        name: Option<String>,
        place: Place,
        node: &YamlNode,
        scope: &CommentScope<'_>,
    ) -> Result<Connection, ImportRefusal> {
        let YamlValue::Map(entries) = &node.value else {
            let message = format!("a connection is a mapping, not {}", node.kind());
            return Err(ImportRefusal::fault(
                node.place,
                message,
                "write `accepter:` and `connector:` below it, indented",
            ));
        };
        let mut keys = ConnectionKeys::default();
        let mut name = name;
        for entry in entries {
            self.connection_key(entry, &mut keys, &mut name)?;
        }
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Err(ImportRefusal::Fault(Box::new(without_name(place, "connection", "`connection: &con1`"))));
        };
        let missing = |key: &str, example: &str| {
            ImportRefusal::fault(
                place,
                format!("the connection `{}` has no `{key}`", shown(&name)),
                format!("add `{key}: {example}`"),
            )
        };
        let accepter = keys.accepter.ok_or_else(|| missing("accepter", "tcp,2001"))?;
        let connector = keys.connector.ok_or_else(|| missing("connector", "serialdev,/dev/ttyS0,9600n81,local"))?;
        let mut remarks = Remarks::about(&name);
        let accepter = accepter::read(&accepter, &self.defaults, &mut remarks)?;
        let connector = connector::read(&connector, &self.defaults, &mut remarks)?;
        let mut options = of_defaults(&self.defaults);
        options.append(&mut keys.options);
        let comments = scope.comments.of(scope.first, last_line(node));
        Ok(Connection {
            name,
            place,
            comments,
            accepter,
            connector,
            is_enabled: keys.enable.unwrap_or(true),
            timeout: keys.timeout,
            options,
            remarks,
        })
    }

    fn connection_key(
        &mut self,
        entry: &YamlEntry,
        keys: &mut ConnectionKeys,
        name: &mut Option<String>,
    ) -> Result<(), ImportRefusal> {
        let key = entry.key.text.to_ascii_lowercase();
        let once = |is_set: bool| {
            let message = format!("`{}` is written twice in this connection", shown(&key));
            if is_set {
                Err(ImportRefusal::fault(entry.key.place, message, "keep one of them"))
            } else {
                Ok(())
            }
        };
        match key.as_str() {
            "accepter" => {
                once(keys.accepter.is_some())?;
                keys.accepter = Some(self.needed(entry)?);
            }
            "connector" => {
                once(keys.connector.is_some())?;
                keys.connector = Some(self.needed(entry)?);
            }
            "timeout" => {
                let text = self.needed(entry)?;
                let seconds = number(&text.text).ok_or_else(|| {
                    let message = format!("`{}` is not a number of seconds", shown(&text.text));
                    ImportRefusal::fault(text.place, message, "write `timeout: 600`, or 0 for never")
                })?;
                keys.timeout = Some((seconds, entry.key.place));
            }
            "enable" => {
                let text = self.needed(entry)?;
                let word = switch(&text.text).ok_or_else(|| {
                    let message = format!("`{}` is neither on nor off", shown(&text.text));
                    ImportRefusal::fault(text.place, message, "write `enable: on` or `enable: off`")
                })?;
                keys.enable = Some(word);
            }
            "name" => *name = Some(self.needed(entry)?.text),
            "options" => self.options(&entry.value, keys)?,
            // `{ accepter: tcp,2001, … }`: in brackets YAML takes the comma for its own.
            _ if entry.is_bare => {
                let Some(text) =
                    keys.accepter.as_mut().filter(|_| keys.connector.is_none()).or(keys.connector.as_mut())
                else {
                    return Err(unknown_key(entry));
                };
                text.text = format!("{},{}", text.text, entry.key.text);
                text.is_literal = false;
            }
            _ => return Err(unknown_key(entry)),
        }
        Ok(())
    }

    fn options(&mut self, node: &YamlNode, keys: &mut ConnectionKeys) -> Result<(), ImportRefusal> {
        let entries = match &node.value {
            YamlValue::Null => return Ok(()),
            YamlValue::Map(entries) => entries,
            _ => {
                let message = format!("`options` is a mapping, not {}", node.kind());
                return Err(ImportRefusal::fault(node.place, message, "write `kickolduser: true` below it, indented"));
            }
        };
        for entry in entries {
            let (name, place) = (spelt(&entry.key.text), entry.key.place);
            if let YamlValue::Seq(nodes) = &entry.value.value {
                for node in nodes {
                    let value = self.text(node, &name)?;
                    keys.options.push(Setting { name: name.clone(), value, place, origin: SettingOrigin::Own });
                }
                continue;
            }
            // An LED is used by its name, which stands for no text.
            let value = match &entry.value.value {
                YamlValue::Alias(led) if name.starts_with("led-") => {
                    Some(PlacedText { text: led.clone(), place: entry.value.place, is_literal: false })
                }
                _ => self.text(&entry.value, &name)?,
            };
            keys.options.push(Setting { name, value, place, origin: SettingOrigin::Own });
        }
        Ok(())
    }
}

/// The keys of a connection.
#[derive(Default)]
struct ConnectionKeys {
    accepter: Option<PlacedText>,
    connector: Option<PlacedText>,
    timeout: Option<(u64, Place)>,
    enable: Option<bool>,
    options: Vec<Setting>,
}

const CONNECTION_KEYS: [&str; 6] = ["accepter", "connector", "enable", "timeout", "options", "name"];

fn unknown_key(entry: &YamlEntry) -> ImportRefusal {
    let key = &entry.key.text;
    let help = match nearest(&key.to_ascii_lowercase(), CONNECTION_KEYS.into_iter()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "the keys of a connection are accepter, connector, enable, timeout and options".to_owned(),
    };
    ImportRefusal::fault(entry.key.place, format!("`{}` is no key of a connection", shown(key)), help)
}
