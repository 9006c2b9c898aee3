//! The table at the end.

/// What there is to tell.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Row>,
    notes: Vec<String>,
}

#[derive(Debug)]
struct Row {
    key: &'static str,
    what: String,
    value: f64,
    unit: &'static str,
    /// The most it may be.
    reach: Option<f64>,
}

impl Row {
    fn missed(&self) -> bool {
        self.reach.is_some_and(|reach| self.value.is_nan() || self.value > reach)
    }

    /// `year_s is 12.0 s, at most 10.0 s`.
    fn told(&self) -> String {
        let reach = number(self.reach.unwrap_or(f64::NAN));
        format!("{} is {} {unit}, at most {reach} {unit}", self.key, number(self.value), unit = self.unit)
    }
}

impl Table {
    /// A figure that is to be at most `reach`. `key` is for machines and names the unit.
    pub fn figure(
        &mut self,
        key: &'static str,
        what: impl Into<String>,
        value: f64,
        unit: &'static str,
        reach: f64,
    ) {
        self.rows.push(Row { key, what: what.into(), value, unit, reach: Some(reach) });
    }

    /// A figure that stands beside others and has nothing to reach.
    pub fn beside(&mut self, key: &'static str, what: impl Into<String>, value: f64, unit: &'static str) {
        self.rows.push(Row { key, what: what.into(), value, unit, reach: None });
    }

    /// Something that could not be measured, and why.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Prints it: the table, what is missing, the same for machines, and last what it comes to.
    pub fn print(&self) {
        let texts: Vec<[String; 3]> = self
            .rows
            .iter()
            .map(|row| {
                let reach = match row.reach {
                    None => "-".to_owned(),
                    Some(reach) => {
                        let verdict = if row.missed() { "  MISSED" } else { "" };
                        format!("<= {} {}{verdict}", number(reach), row.unit).trim_end().to_owned()
                    }
                };
                [row.what.clone(), format!("{} {}", number(row.value), row.unit), reach]
            })
            .collect();
        let head = ["what", "measured", "reach"].map(str::to_owned);
        let width = |column: usize| {
            texts.iter().chain([&head]).map(|row| row[column].chars().count()).max().unwrap_or_default()
        };
        let (what, measured) = (width(0), width(1));
        println!();
        for [a, b, c] in [&head].into_iter().chain(&texts) {
            println!("{a:<what$} | {b:>measured$} | {c}");
        }
        for note in &self.notes {
            println!("NOT MEASURED: {note}");
        }
        let missed: Vec<&str> = self.rows.iter().filter(|row| row.missed()).map(|row| row.key).collect();
        println!();
        for row in &self.rows {
            println!("{}={}", row.key, row.value);
        }
        println!("missed={}", missed.join(","));
        println!("not_measured={}", self.notes.len());
        println!("\n{}", self.sum());
    }

    /// One line: what was missed by how much, and how much could not be measured.
    fn sum(&self) -> String {
        let missed: Vec<String> = self.rows.iter().filter(|row| row.missed()).map(Row::told).collect();
        let reach = self.rows.iter().filter(|row| row.reach.is_some()).count();
        let sum = match missed.len() {
            0 => format!("none of {reach} figures is missed"),
            count => format!("MISSED {count} of {reach} figures: {}", missed.join("; ")),
        };
        match self.notes.len() {
            0 => sum,
            count => format!("{sum}; {count} NOT MEASURED, see above"),
        }
    }
}

/// As many digits as say something.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
