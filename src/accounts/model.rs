//! Users, roles, and what each role may do.

use std::fmt;

use serde::Serialize;

pub use crate::ids::UserId;

/// What somebody is here for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May do everything.
    Administrator,
    /// Plans campaigns; launches what another person approved.
    Marketer,
    /// Approves and launches.
    Approver,
    /// Reads reports; sees no people.
    Analyst,
    /// Sees customers and does what they ask for.
    Support,
}

/// One kind of thing that may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// Sees campaigns, figures and charts.
    Reports,
    /// Sees who the customers are.
    People,
    /// Changes customers, their permissions and what is known of them.
    EditPeople,
    /// Takes in files of customers and orders, with the permissions they bring.
    Import,
    /// Makes segments, templates and campaigns.
    Plan,
    /// Lets messages go out, for himself or by approval.
    Launch,
    /// Users, tokens, webhooks, the audit log.
    Administer,
}

impl Right {
    pub const ALL: [Self; 7] = [
        Self::Reports,
        Self::People,
        Self::EditPeople,
        Self::Import,
        Self::Plan,
        Self::Launch,
        Self::Administer,
    ];
}

impl Role {
    pub const ALL: [Self; 5] = [
        Self::Administrator,
        Self::Marketer,
        Self::Approver,
        Self::Analyst,
        Self::Support,
    ];

    /// The word in the database, the command line and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Marketer => "marketer",
            Self::Approver => "approver",
            Self::Analyst => "analyst",
            Self::Support => "support",
        }
    }

    /// The role of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// Whether it may do this.
    pub fn may(self, right: Right) -> bool {
        match self {
            Self::Administrator => true,
            Self::Marketer => matches!(
                right,
                Right::Reports | Right::People | Right::EditPeople | Right::Import | Right::Plan
            ),
            Self::Approver => matches!(
                right,
                Right::Reports | Right::People | Right::Plan | Right::Launch
            ),
            Self::Analyst => right == Right::Reports,
            Self::Support => matches!(right, Right::People | Right::EditPeople),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Somebody who works here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    pub id: UserId,
    pub email: String,
    pub name: String,
    pub role: Role,
    /// ISO 639-1, of the pages he reads: `en` or `fr`.
    pub language: String,
    pub has_password: bool,
    /// Whether a code of his telephone is asked for too.
    pub has_totp: bool,
    pub is_disabled: bool,
    /// Milliseconds since the epoch, as below.
    pub created_at: i64,
    pub signed_in_at: Option<i64>,
}

/// Whether a text may be a mail address by which somebody signs in: one `@` with something on both sides, and
/// nothing that cannot be seen.
pub fn is_address(text: &str) -> bool {
    let seen = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    let parts = text.split_once('@');
    seen && text.len() <= 254
        && parts.is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !domain.contains('@')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_administrator_may_everything_and_an_analyst_sees_nobody() {
        for right in Right::ALL {
            assert!(Role::Administrator.may(right));
            assert_eq!(Role::Analyst.may(right), right == Right::Reports);
        }
    }

    #[test]
    fn who_plans_does_not_launch_and_a_file_of_permissions_is_no_matter_of_support() {
        assert!(!Role::Marketer.may(Right::Launch));
        for role in Role::ALL {
            let may = matches!(role, Role::Administrator | Role::Marketer);
            assert_eq!(role.may(Right::Import), may, "{role}");
        }
    }

    #[test]
    fn words_lead_back_to_their_roles() {
        for role in Role::ALL {
            assert_eq!(Role::from_word(role.as_str()), Some(role));
        }
        assert_eq!(Role::from_word("Administrator"), None);
    }

    #[test]
    fn an_address_has_two_sides() {
        for (text, is) in [
            ("anne@example.com", true),
            ("demo@localhost", true),
            ("anne", false),
            ("@b", false),
            ("a@", false),
            ("a@b@c", false),
            ("a b@c", false),
        ] {
            assert_eq!(is_address(text), is, "{text}");
        }
    }
}
