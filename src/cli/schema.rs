//! `schema`: a JSON Schema of our labels, for editors of compose files.

use std::process::ExitCode;

use crate::settings::schema;

/// Prints the schema.
pub fn run() -> ExitCode {
    println!("{:#}", schema::compose());
    ExitCode::SUCCESS
}
