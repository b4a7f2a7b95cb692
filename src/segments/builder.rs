//! A rule as a form shows it: lines that are sentences, in groups within groups.
//!
//! Promise: nothing is lost. Whatever rule is taken apart comes back as the same rule; what no line can say
//! stays a line of text.

pub mod fields;
pub mod line;

pub use line::{About, Line, Literal, Problem, When, Word};

use super::error::ParseError;
use super::model::{Node, Rule};

/// How many lines are shown one by one; a longer rule is one line of text.
pub const MAX_LINES: usize = 80;

/// How deep groups nest in a form, the outermost not counted; what lies deeper is a line of text.
pub const MAX_NESTING: usize = 3;

/// A rule in the making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Builder {
    pub root: Group,
}

/// Lines and groups that are joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub join: Join,
    pub parts: Vec<Part>,
}

/// How a group is joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// Every part must hold.
    All,
    /// At least one must.
    Any,
    /// None may.
    None,
}

impl Join {
    pub const ALL: [Self; 3] = [Self::All, Self::Any, Self::None];

    /// The word of the form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Any => "any",
            Self::None => "none",
        }
    }

    /// Reads the form's word.
    pub fn from_field(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|join| join.as_str() == text)
    }
}

/// What a group is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Group(Group),
    // Boxed: a line is much the larger.
    Line(Box<Line>),
}

/// What is wrong with one line; lines and groups are counted in the order of the form, the outermost group is 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub number: usize,
    pub problem: Problem,
}

/// A change of the form's shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// A new line at the end of a group.
    AddLine {
        group: usize,
        about: About,
    },
    /// A new group at the end of a group.
    AddGroup {
        group: usize,
    },
    Remove(usize),
    Up(usize),
    Down(usize),
}

impl Builder {
    /// Takes a rule apart.
    pub fn of(rule: &Rule) -> Self {
        let root = match rule.root() {
            Node::Everyone => Group::new(Join::All),
            node if lines(node) > MAX_LINES => text(node),
            node => match part(node, 0) {
                Part::Group(group) => group,
                line => Group {
                    join: Join::All,
                    parts: vec![line],
                },
            },
        };
        Self { root }
    }

    /// The rule.
    ///
    /// # Errors
    /// What is wrong with each line; number 0 is the rule as a whole.
    pub fn rule(&self) -> Result<Rule, Vec<Fault>> {
        let (node, faults) = self.read();
        if !faults.is_empty() {
            return Err(faults);
        }
        Rule::from_tree(node).map_err(|error| vec![whole(error)])
    }

    /// The rule of those lines that are complete.
    ///
    /// # Errors
    /// When even they make none, being too many.
    pub fn complete(&self) -> Result<Rule, Fault> {
        Rule::from_tree(self.read().0).map_err(whole)
    }

    fn read(&self) -> (Node, Vec<Fault>) {
        let (mut faults, mut number) = (Vec::new(), 0);
        let node = self.root.node(&mut number, &mut faults);
        (node.unwrap_or(Node::Everyone), faults)
    }

    /// Changes the shape; what cannot be done (the first line moved up) is left.
    pub fn edit(&mut self, edit: Edit) {
        match edit {
            Edit::AddLine { group, about } => {
                if let Some((group, _)) = self.group_mut(group) {
                    group.parts.push(Part::Line(Box::new(Line::new(about))));
                }
            }
            Edit::AddGroup { group } => {
                if let Some((group, depth)) = self.group_mut(group)
                    && depth < MAX_NESTING
                {
                    let join = match group.join {
                        Join::All | Join::None => Join::Any,
                        Join::Any => Join::All,
                    };
                    group.parts.push(Part::Group(Group::new(join)));
                }
            }
            Edit::Remove(number) => self.at(number, |parts, at| {
                parts.remove(at);
            }),
            Edit::Up(number) => self.at(number, |parts, at| {
                if let Some(before) = at.checked_sub(1) {
                    parts.swap(before, at);
                }
            }),
            Edit::Down(number) => self.at(number, |parts, at| {
                if at + 1 < parts.len() {
                    parts.swap(at, at + 1);
                }
            }),
        }
    }

    fn group_mut(&mut self, number: usize) -> Option<(&mut Group, usize)> {
        if number == 0 {
            return Some((&mut self.root, 0));
        }
        find_group(&mut self.root, number, &mut 0, 0)
    }

    /// Does something to the part of this number, in the group that holds it.
    fn at(&mut self, number: usize, change: impl FnOnce(&mut Vec<Part>, usize)) {
        if let Some((parts, at)) = find_part(&mut self.root, number, &mut 0) {
            change(parts, at);
        }
    }
}

impl Group {
    pub fn new(join: Join) -> Self {
        Self {
            join,
            parts: Vec::new(),
        }
    }

    /// Its tree; none for an empty group, which is still in the making.
    fn node(&self, number: &mut usize, faults: &mut Vec<Fault>) -> Option<Node> {
        let mut parts = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            *number += 1;
            match part {
                Part::Group(group) => parts.extend(group.node(number, faults)),
                Part::Line(line) => match line.node() {
                    Ok(node) => parts.push(node),
                    Err(problem) => faults.push(Fault {
                        number: *number,
                        problem,
                    }),
                },
            }
        }
        if parts.is_empty() {
            return None;
        }
        Some(match self.join {
            Join::All => Node::All(parts),
            Join::Any => Node::Any(parts),
            Join::None => Node::Not(Box::new(Node::Any(parts))),
        })
    }
}

/// How many lines a tree makes; without recursion.
fn lines(node: &Node) -> usize {
    let (mut waiting, mut count) = (vec![node], 0);
    while let Some(node) = waiting.pop() {
        match node {
            Node::All(parts) | Node::Any(parts) => waiting.extend(parts),
            Node::Not(part) => waiting.push(part),
            _ => count += 1,
        }
    }
    count
}

/// The tree as one line of text.
fn text(node: &Node) -> Group {
    Group {
        join: Join::All,
        parts: vec![Part::Line(Box::new(Line::text(node)))],
    }
}

fn part(node: &Node, depth: usize) -> Part {
    let (join, inner): (Join, Vec<&Node>) = match node {
        Node::All(parts) => (Join::All, parts.iter().collect()),
        Node::Any(parts) => (Join::Any, parts.iter().collect()),
        Node::Not(inner) => match &**inner {
            Node::Any(parts) => (Join::None, parts.iter().collect()),
            other @ (Node::All(_) | Node::Not(_)) => (Join::None, vec![other]),
            _ => return Part::Line(Box::new(Line::of(node))),
        },
        _ => return Part::Line(Box::new(Line::of(node))),
    };
    if depth > MAX_NESTING {
        return Part::Line(Box::new(Line::text(node)));
    }
    Part::Group(Group {
        join,
        parts: inner
            .into_iter()
            .map(|node| part(node, depth + 1))
            .collect(),
    })
}

fn find_group<'g>(
    group: &'g mut Group,
    wanted: usize,
    number: &mut usize,
    depth: usize,
) -> Option<(&'g mut Group, usize)> {
    for part in &mut group.parts {
        *number += 1;
        if let Part::Group(inner) = part {
            if *number == wanted {
                return Some((inner, depth + 1));
            }
            if let Some(found) = find_group(inner, wanted, number, depth + 1) {
                return Some(found);
            }
        }
    }
    None
}

fn find_part<'g>(
    group: &'g mut Group,
    wanted: usize,
    number: &mut usize,
) -> Option<(&'g mut Vec<Part>, usize)> {
    let mut path = None;
    for (at, part) in group.parts.iter().enumerate() {
        *number += 1;
        if *number == wanted {
            path = Some((at, true));
            break;
        }
        if let Part::Group(inner) = part {
            let end = *number + size(inner);
            if wanted <= end {
                path = Some((at, false));
                break;
            }
            *number = end;
        }
    }
    match path? {
        (at, true) => Some((&mut group.parts, at)),
        (at, false) => match group.parts.get_mut(at)? {
            Part::Group(inner) => find_part(inner, wanted, number),
            Part::Line(_) => None,
        },
    }
}

/// How many parts a group holds, at every depth.
fn size(group: &Group) -> usize {
    let inner = group.parts.iter().map(|part| match part {
        Part::Group(group) => 1 + size(group),
        Part::Line(_) => 1,
    });
    inner.sum()
}

fn whole(error: ParseError) -> Fault {
    Fault {
        number: 0,
        problem: Problem::Said(error.message),
    }
}
