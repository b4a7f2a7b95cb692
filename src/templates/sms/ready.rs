//! The text of a message made ready: its fields read once, its links taken out.

use std::ops::Range;

use super::layout;
use crate::templates::layouts::phrases::Phrases;
use crate::templates::links;
use crate::templates::markdown::label;
use crate::templates::model::Part;
use crate::templates::ready::ReadyWording;
use crate::templates::tags::{
    CLOSE, Expr, Fault, OPEN, Piece, Tag, field_uses, mark, pieces, take,
};
use crate::templates::wording::Wording;

/// Bytes of `sms.text`: ten parts have fewer letters.
const MAX_TEXT_BYTES: usize = 4_000;
/// What `[sms]` calls the short link to `action.link`.
const ACTION_LINK: &str = "link";

/// Where a link of a text message leads, and what the reader sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::templates) struct Target {
    pub(in crate::templates) url: String,
    pub(in crate::templates) label: String,
}

/// The text of one language. Marks: `t` a tag, `c` a short link, by their places in the lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::templates) struct ReadySms {
    pub(in crate::templates) text: String,
    pub(in crate::templates) tags: Vec<Tag>,
    pub(in crate::templates) targets: Vec<Target>,
    /// Whether its author wrote it for this channel.
    pub(in crate::templates) is_own: bool,
    /// The places of its links among those of the template.
    pub(in crate::templates) links: Vec<usize>,
}

impl ReadySms {
    /// The text of `[sms]`, or what the layout takes from the four parts.
    ///
    /// # Errors
    /// When a field or a link of `[sms]` is not allowed.
    pub(in crate::templates) fn new(
        wording: &Wording,
        ready: &ReadyWording,
        phrases: &Phrases,
    ) -> Result<Self, Fault> {
        let button = ready
            .button("action.button")
            .and_then(|button| ready.links.get(button.link))
            .map(|(_, url, label)| Target {
                url: url.clone(),
                label: label.clone(),
            });
        match wording.sms() {
            Some(text) => {
                let bare = wording.action.link.trim();
                let action = button.or_else(|| {
                    (!bare.is_empty()).then(|| Target {
                        url: bare.to_owned(),
                        label: bare.to_owned(),
                    })
                });
                Reader::new(action).read(text)
            }
            None => Ok(layout::text(wording, button, phrases)),
        }
    }

    /// The tags that read a customer's fields; the link is none.
    pub(in crate::templates) fn value_tags(&self) -> Vec<Tag> {
        let tags = self.tags.iter().filter(|tag| !is_action_link(tag));
        tags.cloned().collect()
    }

    /// Gives its links their places among those of the template: the one that the letter of its language
    /// (`letter`) has for the same address, or a new one behind all that are there.
    pub(in crate::templates) fn place(
        &mut self,
        letter: Range<usize>,
        links: &mut Vec<(Part, Target)>,
    ) {
        let mut places = Vec::new();
        for target in &self.targets {
            let known = |fits: &dyn Fn(Part, &Target) -> bool| {
                links
                    .iter()
                    .enumerate()
                    .filter(|(place, _)| letter.contains(place) || self.links.contains(place))
                    .find(|(_, (part, link))| link.url == target.url && fits(*part, link))
                    .map(|(place, _)| place)
            };
            let place = known(&|_, link| link.label == target.label)
                .or_else(|| known(&|part, _| part == Part::Action))
                .or_else(|| known(&|_, _| true))
                .unwrap_or_else(|| {
                    // A text message is short enough to be one thing to do.
                    links.push((Part::Action, target.clone()));
                    links.len() - 1
                });
            let index = self.links.iter().position(|known| *known == place);
            places.push(index.unwrap_or_else(|| {
                self.links.push(place);
                self.links.len() - 1
            }));
        }
        self.text = pieces(&self.text)
            .into_iter()
            .map(|piece| match piece {
                Piece::Raw(raw) => raw.to_owned(),
                Piece::Mark('c', number) => {
                    mark('c', places.get(number).copied().unwrap_or_default())
                }
                Piece::Mark(kind, number) => mark(kind, number),
            })
            .collect();
    }
}

/// What reads `sms.text`.
struct Reader {
    ready: ReadySms,
    action: Option<Target>,
}

impl Reader {
    fn new(action: Option<Target>) -> Self {
        Self {
            ready: ReadySms {
                is_own: true,
                ..ReadySms::default()
            },
            action,
        }
    }

    fn read(mut self, text: &str) -> Result<ReadySms, Fault> {
        if text.len() > MAX_TEXT_BYTES {
            let problem = format!(
                "{} bytes, and at most {MAX_TEXT_BYTES} are read here; shorten it",
                text.len()
            );
            return Err(Fault::new(text, problem));
        }
        let (marked, tags) = take(text)?;
        self.ready.tags = tags;
        self.only_alone()?;
        let mut rest = marked.as_str();
        while let Some(first) = rest.chars().next() {
            rest = match first {
                OPEN => self.tag(rest)?,
                '[' => match labelled(rest) {
                    Some((words, url, after)) => {
                        self.link_with_words(words, url)?;
                        after
                    }
                    None => self.letter('[', rest),
                },
                'h' | 'H' if is_address(rest) => {
                    let end = address_end(rest);
                    let (url, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
                    self.link(Target {
                        url: url.to_owned(),
                        label: url.to_owned(),
                    })?;
                    after
                }
                first => self.letter(first, rest),
            };
        }
        Ok(self.ready)
    }

    fn letter<'a>(&mut self, first: char, rest: &'a str) -> &'a str {
        self.ready.text.push(first);
        rest.get(first.len_utf8()..).unwrap_or_default()
    }

    /// `{{link}}` is an address and no value: nothing can be asked of it.
    fn only_alone(&self) -> Result<(), Fault> {
        let others = self.ready.value_tags();
        if field_uses(&others)
            .iter()
            .any(|used| used.field == ACTION_LINK)
        {
            return Err(Fault::new(
                ACTION_LINK,
                "{{link}} stands alone: it is the short link to action.link and the same for everyone",
            ));
        }
        Ok(())
    }

    /// The mark that `rest` begins with.
    fn tag<'a>(&mut self, rest: &'a str) -> Result<&'a str, Fault> {
        let end = rest
            .find(CLOSE)
            .map_or(rest.len(), |at| at + CLOSE.len_utf8());
        let (written, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if let Some(Piece::Mark('t', number)) = pieces(written).first() {
            if self.ready.tags.get(*number).is_some_and(is_action_link) {
                let target = self.action.clone().ok_or_else(|| {
                    Fault::new(
                        "{{link}}",
                        "{{link}} leads to action.link, and there is none; write it, or the address itself",
                    )
                })?;
                self.link(target)?;
            } else {
                self.ready.text.push_str(written);
            }
        }
        Ok(after)
    }

    fn link_with_words(&mut self, words: &str, url: &str) -> Result<(), Fault> {
        let holds_link = pieces(words).into_iter().any(|piece| match piece {
            Piece::Raw(raw) => raw
                .char_indices()
                .any(|(at, _)| raw.get(at..).is_some_and(is_address)),
            Piece::Mark(_, number) => self.ready.tags.get(number).is_some_and(is_action_link),
        });
        if holds_link {
            return Err(Fault::new(
                url,
                "the words of this link hold another link; write them one after the other",
            ));
        }
        let seen = label(words);
        if !seen.is_empty() {
            self.ready.text.push_str(words.trim());
            self.ready.text.push(' ');
        }
        let label = if seen.is_empty() {
            url.to_owned()
        } else {
            seen
        };
        self.link(Target {
            url: url.to_owned(),
            label,
        })
    }

    fn link(&mut self, target: Target) -> Result<(), Fault> {
        links::check(&target.url).map_err(|problem| Fault::new(&target.url, problem))?;
        self.ready
            .text
            .push_str(&mark('c', self.ready.targets.len()));
        self.ready.targets.push(target);
        Ok(())
    }
}

fn is_action_link(tag: &Tag) -> bool {
    matches!(tag, Tag::Value(Expr::Field(name)) if name == ACTION_LINK)
}

/// `[words](address)` at the beginning of a text: words, address, what follows.
fn labelled(text: &str) -> Option<(&str, &str, &str)> {
    let (words, rest) = text.strip_prefix('[')?.split_once("](")?;
    let (url, after) = rest.split_once(')')?;
    let is_one = !words.contains(['[', ']', '\n']) && !url.contains(char::is_whitespace);
    is_one.then_some((words, url, after))
}

fn is_address(text: &str) -> bool {
    let begins = |scheme: &str| {
        text.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    begins("https://") || begins("http://")
}

/// Where a bare address ends: at a space, and before what closes a sentence.
fn address_end(text: &str) -> usize {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let address = text.get(..end).unwrap_or(text);
    address
        .trim_end_matches(|c: char| ".,;:!?)]»”’\"'".contains(c))
        .len()
}
