//! Mails as nobody writes them: the set, with bytes flipped, cut, spliced, doubled and made up.

use rand::RngExt;
use rand::rngs::StdRng;

/// Bytes of the longest mail that is made.
const AT_MOST: usize = 64 << 10;

/// A mail made of one or two of the seeds.
pub fn mutated(seeds: &[Vec<u8>], chance: &mut StdRng) -> Vec<u8> {
    let mut mail = pick(seeds, chance).to_vec();
    for _ in 0..chance.random_range(1..=6) {
        change(&mut mail, seeds, chance);
    }
    mail.truncate(AT_MOST);
    mail
}

fn pick<'a>(seeds: &'a [Vec<u8>], chance: &mut StdRng) -> &'a [u8] {
    &seeds[chance.random_range(0..seeds.len())]
}

fn change(mail: &mut Vec<u8>, seeds: &[Vec<u8>], chance: &mut StdRng) {
    const WORDS: &[&[u8]] = &[
        b"Content-Type: message/rfc822\r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n",
        b"Content-Type: text/html; charset=utf-16\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n",
        b"--=_b1\r\n",
        b"=?utf-8?b?4pyT?=",
        b"=?iso-2022-jp?b?GyRC?=",
        b"Action: delayed\r\n",
        b"Status: 5.99999999999.1\r\n",
        b"\r\n\r\n",
        b"\xff\xfe\x00",
        b"\xf0\x9f\x98",
        b"&#x110000;&#99999999999;",
        b"<blockquote",
        b"On Monday\r\nsomebody wrote:\r\n",
        b"550-5.1.1 ",
        b"99999999999999999999-1-abcdefgh234567ij",
    ];
    let at = |mail: &[u8], chance: &mut StdRng| chance.random_range(0..=mail.len());
    match chance.random_range(0..9) {
        0 => {
            for _ in 0..chance.random_range(1..20) {
                let at = at(mail, chance);
                if let Some(byte) = mail.get_mut(at) {
                    *byte ^= 1 << chance.random_range(0..8);
                }
            }
        }
        1 => {
            let at = at(mail, chance);
            mail.truncate(at);
        }
        2 => {
            let (from, to) = (at(mail, chance), at(mail, chance));
            mail.drain(from.min(to)..from.max(to));
        }
        3 => {
            let other = pick(seeds, chance);
            let from = chance.random_range(0..=other.len());
            let at = at(mail, chance);
            mail.truncate(at);
            mail.extend_from_slice(&other[from..]);
        }
        4 => {
            // A line twice, or many times.
            let lines: Vec<&[u8]> = mail.split_inclusive(|byte| *byte == b'\n').collect();
            if let Some(line) = lines.get(chance.random_range(0..lines.len().max(1))) {
                let doubled = line.repeat(chance.random_range(1..50));
                let at = at(mail, chance);
                mail.splice(at..at, doubled);
            }
        }
        5 => {
            let many: Vec<u8> = (0..chance.random_range(1..200))
                .map(|_| chance.random())
                .collect();
            let at = at(mail, chance);
            mail.splice(at..at, many);
        }
        6 => {
            let byte: u8 = chance.random();
            let at = at(mail, chance);
            let count = chance.random_range(1..2_000);
            mail.splice(at..at, std::iter::repeat_n(byte, count));
        }
        7 => {
            let word = WORDS[chance.random_range(0..WORDS.len())];
            let at = at(mail, chance);
            mail.splice(at..at, word.iter().copied());
        }
        _ => {
            // Other line ends.
            let is_crlf = mail.windows(2).any(|two| two == b"\r\n");
            if is_crlf {
                mail.retain(|byte| *byte != b'\r');
            } else {
                let mut ended = Vec::with_capacity(mail.len() * 2);
                for byte in mail.iter() {
                    if *byte == b'\n' {
                        ended.push(b'\r');
                    }
                    ended.push(*byte);
                }
                *mail = ended;
            }
        }
    }
}
