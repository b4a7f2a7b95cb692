//! Lines of a mail server's dialogue, bounded in length and in time.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::time::timeout;

/// The longest line of a command (RFC 5321 section 4.5.3.1.4, with room for parameters).
const COMMAND: usize = 2_000;

/// A line, or why there is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Without its line end.
    Text(Vec<u8>),
    TooLong,
    /// The peer said nothing for too long.
    Silence,
    /// The peer is gone.
    End,
}

/// What a mail server said after DATA.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    Mail(Vec<u8>),
    /// It was longer than allowed, and was read to its end.
    TooBig,
    /// It did not come to its end.
    Broken,
}

/// Reads what a peer says.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    patience: Duration,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub fn new(reader: R, patience: Duration) -> Self {
        Self {
            reader: BufReader::with_capacity(16 * 1024, reader),
            patience,
        }
    }

    /// Whether the peer has said more already, so that answers can go out together (RFC 2920).
    pub fn has_more(&self) -> bool {
        !self.reader.buffer().is_empty()
    }

    /// The next command.
    pub async fn command(&mut self) -> io::Result<Line> {
        match timeout(self.patience, self.line(COMMAND)).await {
            Ok(line) => line,
            Err(_elapsed) => Ok(Line::Silence),
        }
    }

    async fn line(&mut self, at_most: usize) -> io::Result<Line> {
        let mut line = Vec::new();
        let mut is_too_long = false;
        loop {
            let (piece, is_whole) = self.piece().await?;
            let Some(piece) = piece else {
                return Ok(Line::End);
            };
            is_too_long |= line.len() + piece.len() > at_most;
            if !is_too_long {
                line.extend_from_slice(&piece);
            }
            if is_whole {
                break;
            }
        }
        if is_too_long {
            return Ok(Line::TooLong);
        }
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Line::Text(line))
    }

    /// What is there up to a line feed and with it, and whether that is there; nothing at the end.
    async fn piece(&mut self) -> io::Result<(Option<Vec<u8>>, bool)> {
        let buffer = self.reader.fill_buf().await?;
        if buffer.is_empty() {
            return Ok((None, false));
        }
        let (length, is_whole) = match memchr::memchr(b'\n', buffer) {
            Some(at) => (at + 1, true),
            None => (buffer.len(), false),
        };
        let piece = buffer.get(..length).map(<[u8]>::to_vec);
        self.reader.consume(length);
        Ok((piece, is_whole))
    }

    /// A mail up to the line with the dot, doubled dots taken back (RFC 5321 section 4.5.2). Only CRLF ends a line
    /// here: with a bare line feed somebody could smuggle a second mail in behind a server that reads it otherwise.
    pub async fn content(&mut self, at_most: usize) -> io::Result<Content> {
        match timeout(self.patience, self.read_content(at_most)).await {
            Ok(content) => content,
            Err(_elapsed) => Ok(Content::Broken),
        }
    }

    async fn read_content(&mut self, at_most: usize) -> io::Result<Content> {
        let mut mail = Vec::new();
        let mut is_too_big = false;
        // The line under way, as far as it may be the one with the dot.
        let mut start: Vec<u8> = Vec::new();
        let mut is_at_begin = true;
        let mut last_byte = b'\n';
        loop {
            let (piece, _) = self.piece().await?;
            let Some(mut piece) = piece else {
                return Ok(Content::Broken);
            };
            if is_at_begin {
                start.append(&mut piece);
                // Three bytes tell it from all others.
                if start.len() < 3 && !start.ends_with(b"\n") {
                    continue;
                }
                if start == b".\r\n" {
                    break;
                }
                if start.first() == Some(&b'.') {
                    start.remove(0);
                }
                piece = std::mem::take(&mut start);
            }
            let before_last = match piece.as_slice() {
                [.., before, _] => *before,
                _ => last_byte,
            };
            last_byte = piece.last().copied().unwrap_or(last_byte);
            is_at_begin = last_byte == b'\n' && before_last == b'\r';
            is_too_big |= mail.len() + piece.len() > at_most;
            if !is_too_big {
                mail.extend_from_slice(&piece);
            }
        }
        if is_too_big {
            return Ok(Content::TooBig);
        }
        Ok(Content::Mail(mail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn content(said: &[u8], at_most: usize) -> (Content, Line) {
        let mut lines = Lines::new(said, Duration::from_secs(5));
        let content = lines.content(at_most).await.unwrap();
        (content, lines.command().await.unwrap())
    }

    #[tokio::test]
    async fn a_mail_ends_at_the_dot_between_line_ends_alone() {
        for (said, mail) in [
            (&b"a\r\n..b\r\n.\r\nQUIT\r\n"[..], &b"a\r\n.b\r\n"[..]),
            (b".\r\nQUIT\r\n", b""),
            (b"a\n.\r\nMAIL\r\n.\r\nQUIT\r\n", b"a\n.\r\nMAIL\r\n"),
            (b"a\r\n.\nMAIL\r\n.\r\nQUIT\r\n", b"a\r\n\nMAIL\r\n"),
            (b"a\r.\r\nb\r\n.\r\nQUIT\r\n", b"a\r.\r\nb\r\n"),
        ] {
            let (read, next) = content(said, 100).await;
            assert_eq!(read, Content::Mail(mail.to_vec()), "{said:?}");
            assert_eq!(next, Line::Text(b"QUIT".to_vec()));
        }
    }

    #[tokio::test]
    async fn what_is_too_long_is_read_to_its_end_and_not_kept() {
        let long = [b"x".repeat(100_000).as_slice(), b"\r\n.\r\nQUIT\r\n"].concat();
        let (read, next) = content(&long, 1_000).await;
        assert_eq!(read, Content::TooBig);
        assert_eq!(next, Line::Text(b"QUIT".to_vec()));
        let mut lines = Lines::new(long.as_slice(), Duration::from_secs(5));
        assert_eq!(lines.command().await.unwrap(), Line::TooLong);
        assert_eq!(content(b"a\r\n", 100).await.0, Content::Broken);
    }

    #[tokio::test]
    async fn pieces_of_any_size_make_the_same_mail() {
        let said = b"one\r\n.\r\x00.\r\n..\r\n.\r\n".as_slice();
        for size in 1..8 {
            let mut lines = Lines {
                reader: BufReader::with_capacity(size, said),
                patience: Duration::from_secs(5),
            };
            let read = lines.content(100).await.unwrap();
            assert_eq!(read, Content::Mail(b"one\r\n\r\x00.\r\n.\r\n".to_vec()));
        }
    }
}
