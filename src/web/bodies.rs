//! Bodies as they come in: none may take for ever, and no form may hold what no database keeps.

use std::cell::RefCell;
use std::io::{Error, ErrorKind};
use std::rc::Rc;
use std::time::Duration;

use actix_web::HttpMessage as _;
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::time::{Instant, timeout_at};

use super::ApiError;

/// How long a body may take, to which each byte that came adds its share.
const WHOLE: Duration = Duration::from_secs(30);
/// Bytes that add a second: slower than any line by which files are sent.
const BYTES_A_SECOND: u64 = 8 * 1024;
/// How long nothing at all may come.
const SILENCE: Duration = Duration::from_secs(60);

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    TooSlow,
    Nul,
}

/// What became of the body of a request, with the rest of it: as long as somebody holds that, the connection is not read
/// to an end that may never come, but closed behind the answer.
#[derive(Clone, Default)]
pub(super) struct Watch(Rc<RefCell<Option<(Fault, Payload)>>>);

impl Watch {
    /// Why its handler could not read it, whatever the handler says.
    pub fn fault(&self) -> Option<ApiError> {
        let given_up = self.0.borrow();
        let (fault, _) = given_up.as_ref()?;
        Some(match fault {
            Fault::TooSlow => ApiError::new(StatusCode::REQUEST_TIMEOUT),
            Fault::Nul => nul(),
        })
    }
}

/// The refusal of the character U+0000, which PostgreSQL keeps in no text.
pub(super) fn nul() -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST).with_detail(
        "The request holds the character U+0000, which nothing here holds. Take it out.",
    )
}

/// Whether the address of a request holds U+0000.
pub(super) fn is_nul_asked_for(request: &ServiceRequest) -> bool {
    request.path().contains("%00") || request.query_string().contains("%00")
}

/// Watches over the body of a request while it is read. What a provider posts is read whatever it holds, or it would
/// come again for ever: what no database keeps is taken out of it where it is stored.
pub(super) fn watch(request: &mut ServiceRequest) -> Watch {
    let watch = Watch::default();
    let payload = match request.take_payload() {
        Payload::None => return watch,
        payload => payload,
    };
    let is_of_provider = request.path().starts_with("/hooks/");
    let is_form = !is_of_provider
        && request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| {
                let kind = kind.trim_start().to_ascii_lowercase();
                kind.starts_with("application/x-www-form-urlencoded")
            });
    request.set_payload(Payload::Stream {
        payload: Box::pin(watched(payload, is_form, watch.clone())),
    });
    watch
}

/// A body until it is too slow or, as a form, holds U+0000.
fn watched(
    body: Payload,
    is_form: bool,
    watch: Watch,
) -> impl Stream<Item = Result<Bytes, PayloadError>> {
    let begun = Instant::now();
    let state = (Some(body), Nul::default(), 0_u64);
    stream::unfold(state, move |(body, mut nul, read)| {
        let watch = watch.clone();
        async move {
            let mut body = body?;
            let earned = Duration::from_secs(read / BYTES_A_SECOND);
            let until = (begun + WHOLE + earned).min(Instant::now() + SILENCE);
            let fault = match timeout_at(until, body.next()).await {
                Ok(Some(Ok(bytes))) if is_form && nul.stands_in(&bytes) => Fault::Nul,
                Ok(Some(Ok(bytes))) => {
                    let read = read.saturating_add(u64::try_from(bytes.len()).unwrap_or(0));
                    return Some((Ok(bytes), (Some(body), nul, read)));
                }
                Ok(Some(Err(error))) => return Some((Err(error), (None, nul, read))),
                Ok(None) => return None,
                Err(tokio::time::error::Elapsed { .. }) => Fault::TooSlow,
            };
            watch.0.replace(Some((fault, body)));
            let kind = match fault {
                Fault::TooSlow => ErrorKind::TimedOut,
                Fault::Nul => ErrorKind::InvalidData,
            };
            let error = PayloadError::Io(Error::from(kind));
            Some((Err(error), (None, nul, read)))
        }
    })
    // Who reads a file asks again behind its end.
    .fuse()
}

/// Finds U+0000 in a form, bare or as `%00`, wherever its pieces part.
#[derive(Debug, Default)]
struct Nul {
    /// How much of `%00` was read last.
    read: usize,
}

impl Nul {
    fn stands_in(&mut self, bytes: &[u8]) -> bool {
        bytes.iter().any(|byte| {
            self.read = match (*byte, self.read) {
                (b'%', _) => 1,
                (b'0', 1) => 2,
                (0, _) | (b'0', 2) => return true,
                _ => 0,
            };
            false
        })
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use super::*;

    type Body = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

    /// Pieces of so many bytes, each so many seconds after the one before.
    fn body(pieces: Vec<(u64, usize)>) -> Body {
        let pieces = stream::iter(pieces).then(|(wait, bytes)| async move {
            tokio::time::sleep(Duration::from_secs(wait)).await;
            Ok(Bytes::from(vec![b'a'; bytes]))
        });
        Box::pin(pieces)
    }

    async fn read(payload: Body, is_form: bool) -> Option<Fault> {
        let watch = Watch::default();
        let body = Payload::Stream { payload };
        let mut stream = Box::pin(watched(body, is_form, watch.clone()));
        while let Some(Ok(_)) = stream.next().await {}
        let given_up = watch.0.borrow();
        given_up.as_ref().map(|(fault, _)| *fault)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_given_up() {
        const MEGABYTE: usize = 1024 * 1024;
        let too_slow = Some(Fault::TooSlow);
        for (what, pieces, fault) in [
            ("at once", vec![(0, 1_000)], None),
            ("bit by bit, but in time", vec![(1, 1); 20], None),
            ("a byte a second", vec![(1, 1); 1_000], too_slow),
            ("one byte and no more", vec![(0, 1), (3_600, 1)], too_slow),
            (
                "a long file over a slow line",
                vec![(1, 16 * 1024); 300],
                None,
            ),
            (
                "a line that is gone",
                vec![(0, MEGABYTE), (61, 1)],
                too_slow,
            ),
            ("a line that came back", vec![(0, MEGABYTE), (59, 1)], None),
        ] {
            assert_eq!(read(body(pieces), false).await, fault, "{what}");
        }
    }

    #[tokio::test]
    async fn behind_its_end_a_body_is_at_its_end() {
        let body = Payload::Stream {
            payload: body(vec![(0, 10)]),
        };
        let mut stream = Box::pin(watched(body, false, Watch::default()));
        assert!(matches!(stream.next().await, Some(Ok(_))));
        for _ in 0..3 {
            assert!(stream.next().await.is_none());
        }
    }

    #[tokio::test]
    async fn a_form_holds_no_nul_however_it_is_cut() {
        for (pieces, holds) in [
            (&["a=b%00c"][..], true),
            (&["a=b%", "00c"], true),
            (&["a=b%0", "0c"], true),
            (&["a=b\0c"], true),
            (&["a=b%%00"], true),
            (&["a=b%2500&c=%0a0"], false),
            (&["a=b%", "0", "a0"], false),
        ] {
            let parts: Vec<Result<Bytes, PayloadError>> = pieces
                .iter()
                .map(|piece| Ok(Bytes::from_static(piece.as_bytes())))
                .collect();
            let fault = read(Box::pin(stream::iter(parts)), true).await;
            assert_eq!(fault == Some(Fault::Nul), holds, "{pieces:?}");
        }
    }
}
