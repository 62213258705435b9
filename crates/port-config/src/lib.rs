//! What a serial port of sermux *is*: line settings, wires, and the configuration file that names them.
//!
//! This crate turns the files that an operator wrote into a [`Config`](config::Config) in which every value is
//! decided, or into *all* the faults of those files at once, each with its file, line, column and what would be right.
//! It also says what a new configuration changes about an old one ([`config::diff`]).
//!
//! What it must not do: open a device, touch a socket, know a runtime or a clock. It reads files and looks at the
//! metadata of device nodes, nothing else, so that `sermux check` is safe on a machine whose ports are in use. Nothing
//! of the YAML reader it uses appears in its public signatures.
//!
//! ```
//! use sermux_port_config::config::load::load_str;
//!
//! let text = r#"
//! ports:
//!   demo:
//!     device: sim:dsmr-p1
//!     profile: dsmr-p1
//!     listen:
//!       - { protocol: raw, address: "*:9000" }
//! "#;
//! let loaded = load_str("demo.yaml", text).expect("no faults");
//! assert_eq!(loaded.config.ports["demo"].line.settings.to_string(), "115200 8N1");
//!
//! let faults = load_str("demo.yaml", &text.replace("profile", "profil")).unwrap_err();
//! let shown = faults.to_string();
//! assert!(shown.starts_with("demo.yaml:5:5: ports.demo.profil: unknown key"));
//! assert!(shown.contains("did you mean `profile`?"));
//! ```

pub mod config;
pub mod error;
pub mod line;
pub mod ser2net;
pub mod signal;
pub mod units;

pub use error::{is_unprintable, Fault, Faults};
