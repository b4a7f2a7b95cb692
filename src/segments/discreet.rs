//! A rule for those who may not see people: without the values by which it means one of them.

use super::model::{Field, Node, Rule, Subject, Test, Value};

/// Stands for a value.
const HIDDEN: &str = "…";

/// A rule in words that name nobody: what addresses, names and keys are compared with is left out. A text that is no
/// rule is left out whole.
pub fn discreet(rule: &str) -> String {
    if rule.is_empty() {
        return String::new();
    }
    Rule::parse(rule).map_or_else(
        |_| HIDDEN.to_owned(),
        |rule| hidden(rule.root()).to_string(),
    )
}

/// Whether a value of the subject tells who somebody is.
fn is_personal(subject: &Subject) -> bool {
    match subject {
        Subject::Field(field) => matches!(
            field,
            Field::ExternalId | Field::Email | Field::Phone | Field::FirstName | Field::LastName
        ),
        Subject::Attribute(_) => false,
    }
}

/// The same tree with the values hidden; no deeper than the rule it was made of.
fn hidden(node: &Node) -> Node {
    match node {
        Node::All(parts) => Node::All(parts.iter().map(hidden).collect()),
        Node::Any(parts) => Node::Any(parts.iter().map(hidden).collect()),
        Node::Not(part) => Node::Not(Box::new(hidden(part))),
        Node::Compare(subject, test) if is_personal(subject) => {
            Node::Compare(subject.clone(), without_value(test))
        }
        other => other.clone(),
    }
}

fn without_value(test: &Test) -> Test {
    let value = || Value::Text(HIDDEN.to_owned());
    match test {
        Test::Is(relation, _) => Test::Is(*relation, value()),
        Test::Between(..) => Test::Between(value(), value()),
        Test::In(_) => Test::In(vec![value()]),
        Test::Contains(_) => Test::Contains(HIDDEN.to_owned()),
        Test::StartsWith(_) => Test::StartsWith(HIDDEN.to_owned()),
        Test::EndsWith(_) => Test::EndsWith(HIDDEN.to_owned()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_one_person_is_hidden_and_the_rest_stays() {
        for (rule, said) in [
            ("city = \"Amiens\"", "city = \"Amiens\""),
            (
                "city = \"Amiens\" and not email = \"ada@example.com\"",
                "city = \"Amiens\" and not email = \"…\"",
            ),
            (
                "phone in (\"+33612345678\", \"+33612345679\") or last_name starts with \"Lovel\"",
                "phone in (\"…\") or last_name starts with \"…\"",
            ),
            ("external_id = \"K-1\"", "external_id = \"…\""),
            (
                "attribute.loyalty = \"gold\"",
                "attribute.loyalty = \"gold\"",
            ),
            ("email is known", "email is known"),
            ("ordered within 30 days", "ordered within 30 days"),
            ("no rule", "…"),
        ] {
            assert_eq!(discreet(rule), said);
        }
    }
}
