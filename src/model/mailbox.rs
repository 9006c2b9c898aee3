//! Whom mail is from or for: `ops@example.com`, or `Operations <ops@example.com>`.

/// The longest address (RFC 5321, 4.5.3.1.3), in bytes.
const LIMIT: usize = 254;

/// An address, with the name that is shown for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// The name; empty is none.
    pub name: String,
    /// The address itself.
    pub address: String,
}

impl Mailbox {
    /// Reads one; the error is a fragment that ends with the mend.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (name, address) = match text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
            Some((name, address)) => (name.trim(), address.trim()),
            None => ("", text),
        };
        let name = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(name);
        if name.contains(char::is_control) {
            return Err(format!("the name in {text:?} has a control character: leave it out"));
        }
        match why_not(address) {
            Some(why) => {
                Err(format!("{text:?} {why}: write ops@example.com, or Operations <ops@example.com>"))
            }
            None => Ok(Self { name: name.to_owned(), address: address.to_owned() }),
        }
    }

    /// What stands behind the `@`.
    pub fn domain(&self) -> &str {
        self.address.rsplit_once('@').map_or("localhost", |(_, domain)| domain)
    }
}

/// What is wrong with an address. Quoted local parts are refused as well: nobody has one, and their rules are a page.
fn why_not(address: &str) -> Option<&'static str> {
    let Some((local, domain)) = address.split_once('@') else { return Some("has no @") };
    if !address.is_ascii() {
        return Some("has letters that many servers do not take in an address");
    }
    if address.len() > LIMIT {
        return Some("is longer than an address can be");
    }
    let is_atom = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&it))
    };
    let is_host = |text: &str| text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it));
    let is_domain = domain.split('.').all(|it| !it.is_empty() && is_host(it));
    (!local.split('.').all(is_atom) || !is_domain).then_some("is no mail address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_is_an_address_with_or_without_a_name() {
        for (text, name, address) in [
            ("ops@example.com", "", "ops@example.com"),
            (" <ops@example.com> ", "", "ops@example.com"),
            ("Ops, \u{1f514} <o.p-s+x@localhost>", "Ops, \u{1f514}", "o.p-s+x@localhost"),
            ("\"Ops <x>\" <ops@mail.example.com>", "Ops <x>", "ops@mail.example.com"),
        ] {
            let read = Mailbox::parse(text).unwrap();
            assert_eq!((&*read.name, &*read.address), (name, address), "{text}");
        }
        assert_eq!(Mailbox::parse("a@b.example").unwrap().domain(), "b.example");
    }

    #[test]
    fn nothing_that_could_be_a_second_line_or_a_second_address_is_one() {
        for text in [
            "",
            "ops",
            "@",
            "ops@",
            "@example.com",
            "a@b@c",
            "a b@example.com",
            "a@example.com, b@example.com",
            "a@example.com>\r\nRCPT TO:<b@example.com",
            "a\r\nBcc: b <a@example.com>",
            "a@exam\nple.com",
            "a@example..com",
            ".a@example.com",
            "ö@example.com",
            "a@exämple.com",
            "a@example.com\0",
        ] {
            let why = Mailbox::parse(text).unwrap_err();
            assert!(!why.contains(char::is_control), "{why:?}");
        }
        assert!(Mailbox::parse(&format!("{}@example.com", "a".repeat(250))).is_err());
    }
}
