//! `schema`: a JSON Schema of our labels, for editors of compose files.

use std::process::ExitCode;

use crate::settings::schema;

use super::print;

/// Prints the schema.
pub fn run() -> ExitCode {
    print::exactly(format_args!("{:#}\n", schema::compose()));
    ExitCode::SUCCESS
}
