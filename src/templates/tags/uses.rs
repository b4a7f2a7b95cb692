//! Which fields a text uses, and whether it reads well without them.

use std::collections::BTreeSet;

use super::{Expr, Tag};

/// One use of a field in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::templates) struct FieldUse {
    pub(in crate::templates) field: String,
    /// Whether the text still reads well where the field is empty.
    pub(in crate::templates) is_guarded: bool,
}

/// Every use of a field in `tags`, also inside conditions and calls.
pub(in crate::templates) fn field_uses(tags: &[Tag]) -> Vec<FieldUse> {
    let mut uses = Vec::new();
    // One entry per open block: what its conditions so far prove when they fail, and the fields that
    // are known to have a value in the branch we are in.
    let mut open: Vec<(BTreeSet<String>, BTreeSet<String>)> = Vec::new();
    for tag in tags {
        match tag {
            Tag::Value(expr) => shown(expr, &open, &mut uses),
            Tag::If { negated, condition } => {
                tested(condition, &mut uses);
                let (holds, fails) = (proved(condition, true), proved(condition, false));
                open.push(if *negated {
                    (holds, fails)
                } else {
                    (fails, holds)
                });
            }
            Tag::ElseIf(condition) => {
                tested(condition, &mut uses);
                if let Some((failed, now)) = open.last_mut() {
                    *now = failed.union(&proved(condition, true)).cloned().collect();
                    failed.extend(proved(condition, false));
                }
            }
            Tag::Else => {
                if let Some((failed, now)) = open.last_mut() {
                    *now = failed.clone();
                }
            }
            Tag::End { .. } => {
                open.pop();
            }
        }
    }
    uses
}

fn shown(expr: &Expr, open: &[(BTreeSet<String>, BTreeSet<String>)], uses: &mut Vec<FieldUse>) {
    match expr {
        Expr::Field(field) => uses.push(FieldUse {
            field: field.clone(),
            is_guarded: open.iter().any(|(_, now)| now.contains(field)),
        }),
        Expr::Call("default", arguments)
            if arguments
                .iter()
                .any(|a| matches!(a, Expr::Text(t) if !t.is_empty())) =>
        {
            for argument in arguments {
                tested(argument, uses);
            }
        }
        Expr::Call(_, arguments) => {
            for argument in arguments {
                shown(argument, open, uses);
            }
        }
        Expr::Text(_) | Expr::Number(_) | Expr::Bool(_) => {}
    }
}

fn tested(expr: &Expr, uses: &mut Vec<FieldUse>) {
    match expr {
        Expr::Field(field) => uses.push(FieldUse {
            field: field.clone(),
            is_guarded: true,
        }),
        Expr::Call(_, arguments) => {
            for argument in arguments {
                tested(argument, uses);
            }
        }
        Expr::Text(_) | Expr::Number(_) | Expr::Bool(_) => {}
    }
}

/// The fields that must have a value when `expr` comes out as `outcome`.
fn proved(expr: &Expr, outcome: bool) -> BTreeSet<String> {
    match (expr, outcome) {
        (Expr::Field(field), true) => BTreeSet::from([field.clone()]),
        (Expr::Call("eq" | "gt" | "gte" | "lt" | "lte", arguments), true)
        | (Expr::Call("ne", arguments), false) => {
            // Equal to a text or compared with a number: it is not empty.
            let has_value = arguments.iter().any(|a| {
                matches!(a, Expr::Number(_)) || matches!(a, Expr::Text(t) if !t.is_empty())
            });
            if !has_value {
                return BTreeSet::new();
            }
            arguments.iter().flat_map(|a| proved(a, true)).collect()
        }
        (Expr::Call("and", arguments), true) | (Expr::Call("or", arguments), false) => {
            arguments.iter().flat_map(|a| proved(a, outcome)).collect()
        }
        (Expr::Call("not", arguments), _) => {
            arguments.iter().flat_map(|a| proved(a, !outcome)).collect()
        }
        _ => BTreeSet::new(),
    }
}
