//! Who may ask the agent, and what: roles, and those whom tokens and passwords let in.

use crate::model::{
    diagnostic::{Diagnostic, did_you_mean},
    origin::Origin,
    password::PasswordHash,
    secret::TokenHash,
};

use super::{
    ini::{CallerSort, RawCaller},
    value,
};

/// What someone may do; who may more may all that who may less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// See everything.
    Viewer,
    /// Run, pause and stop what is there.
    Operator,
    /// Everything.
    Admin,
}

impl Role {
    /// All of them, who may least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|it| text.eq_ignore_ascii_case(it.as_str()));
        found.ok_or_else(|| {
            let near = did_you_mean(&text.to_ascii_lowercase(), Self::ALL.map(Self::as_str));
            let near = near.map(|it| format!(": {it}")).unwrap_or_default();
            format!("\"{text}\" is none of viewer, operator, admin{near}")
        })
    }
}

/// What a program shows to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// How it is called in what is told.
    pub name: String,
    /// What remains of it.
    pub hash: TokenHash,
    /// What its holder may do.
    pub role: Role,
    /// Where it is written.
    pub origin: Origin,
}

impl Token {
    /// Whether a section of the files has it; else a setting does.
    pub fn is_section(&self) -> bool {
        matches!(self.origin, Origin::File { .. })
    }
}

/// Someone with a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// His name.
    pub name: String,
    /// What remains of his password.
    pub password: PasswordHash,
    /// What he may do.
    pub role: Role,
    /// Where he is written.
    pub origin: Origin,
}

/// One whom a section of the files lets in, for telling of it: what lets him in is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerSection {
    /// How he shows who he is.
    pub sort: CallerSort,
    /// His name.
    pub name: String,
    /// What he may do.
    pub role: Role,
    /// Where he is written.
    pub origin: Origin,
    /// Changes with what lets him in, and is for comparing alone.
    pub mark: TokenHash,
}

impl CallerSection {
    /// Its header, without the brackets.
    pub fn title(&self) -> String {
        format!("{} \"{}\"", self.sort.as_str(), self.name)
    }
}

/// All of them, tokens first. Those of the settings are no sections.
pub(super) fn sections(tokens: &[Token], users: &[User]) -> Vec<CallerSection> {
    let tokens = tokens.iter().filter(|it| it.is_section()).map(|it| {
        let Token { name, hash, role, origin } = it.clone();
        CallerSection { sort: CallerSort::Token, name, role, origin, mark: hash }
    });
    let users = users.iter().map(|it| {
        let User { name, password, role, origin } = it.clone();
        CallerSection { sort: CallerSort::User, name, role, origin, mark: password.mark() }
    });
    tokens.chain(users).collect()
}

/// What the token of the settings for a role is called, which is the setting's name.
pub fn own_token_name(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer-token",
        Role::Operator => "operator-token",
        Role::Admin => "admin-token",
    }
}

/// Reads a token. No reason repeats it.
pub fn token(text: &str) -> Result<TokenHash, String> {
    if text.len() < 16 || !text.bytes().all(|it| it.is_ascii_graphic()) {
        return Err("the token is too short, or holds a blank or what is no ASCII: write 16 characters or more, such \
                    as openssl rand -hex 32 makes"
            .to_owned());
    }
    Ok(TokenHash::of(text))
}

/// Those whom the files let in, and what is wrong with them.
pub(super) fn read(callers: &[RawCaller]) -> (Vec<Token>, Vec<User>, Vec<Diagnostic>) {
    let (mut tokens, mut users, mut diagnostics) = (Vec::new(), Vec::new(), Vec::new());
    for it in callers {
        match it.sort {
            CallerSort::Token => tokens.extend(token_of(it, &mut diagnostics)),
            CallerSort::User => users.extend(user_of(it, &mut diagnostics)),
        }
    }
    (tokens, users, diagnostics)
}

/// `[token "name"]`.
fn token_of(raw: &RawCaller, diagnostics: &mut Vec<Diagnostic>) -> Option<Token> {
    let role = value_of(raw, "role", Role::parse, diagnostics);
    let hash = value_of(raw, "token", token, diagnostics);
    Some(Token { name: raw.name.clone(), hash: hash?, role: role?, origin: raw.origin.clone() })
}

/// `[user "name"]`.
fn user_of(raw: &RawCaller, diagnostics: &mut Vec<Diagnostic>) -> Option<User> {
    let role = value_of(raw, "role", Role::parse, diagnostics);
    let password = value_of(raw, "password-hash", PasswordHash::parse, diagnostics);
    Some(User { name: raw.name.clone(), password: password?, role: role?, origin: raw.origin.clone() })
}

/// The value of a key that must be there. Nobody is let in, and no agent starts, by half of what was meant.
fn value_of<T>(
    raw: &RawCaller,
    key: &str,
    read: impl FnOnce(&str) -> Result<T, String>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<T> {
    let Some(written) = raw.values.iter().find(|it| it.key == key) else {
        let reason = format!("[{} \"{}\"] has no \"{key}\"", raw.sort.as_str(), raw.name);
        diagnostics.push(Diagnostic::error(raw.origin.clone(), reason));
        return None;
    };
    let read = read(value::unquote(&written.value).0);
    read.map_err(|reason| diagnostics.push(Diagnostic::error(written.origin.clone(), reason))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::access::{self, Access};

    fn taken(text: &str) -> (Access, Vec<String>) {
        let ini = crate::settings::ini::parse("config.ini", text, &|_| None);
        let mut access = Access::default();
        let told = access.take(&ini.callers);
        (access, told.iter().map(|it| format!("{}: {}", it.origin, it.reason)).collect())
    }

    #[test]
    fn a_token_lets_in_and_half_a_section_lets_nobody_in() {
        let (access, told) = taken("[token \"ci\"]\ntoken = hunter2-canary-0123456789\nrole = Operator\n");
        assert_eq!((access.tokens.len(), access.tokens[0].role, told.len()), (1, Role::Operator, 0));
        let open = Access { listen: access::listen("0.0.0.0:80").unwrap(), ..access };
        assert_eq!(open.refused(), None);
        for (text, part) in [
            ("token = hunter2-canary-0123456789\n", "config.ini:1: [token \"ci\"] has no \"role\""),
            ("role = admin\n", "config.ini:1: [token \"ci\"] has no \"token\""),
            ("token = hunter2-canary\nrole = admin\n", "config.ini:2: the token is too short"),
            (
                "token = hunter2 canary 0123456789\nrole = admin\n",
                "config.ini:2: the token is too short, or holds a blank",
            ),
            ("token = hunter2-canary-0123456789\nrole = amdin\n", "did you mean \"admin\"?"),
        ] {
            let (access, told) = taken(&format!("[token \"ci\"]\n{text}"));
            assert_eq!((access.tokens.len(), told.len()), (0, 1), "{text}");
            assert!(told[0].contains(part) && !told[0].contains("hunter2"), "{told:?}");
        }
    }
}
