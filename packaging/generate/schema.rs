//! Writes the JSON Schema of the configuration to standard output.
//!
//!     cargo run -p sermux-port-config --example schema >config/sermux.schema.json

use std::io::{self, Write};

fn main() -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    serde_json::to_writer_pretty(&mut stdout, &sermux_port_config::config::schema::schema())?;
    writeln!(stdout)
}
