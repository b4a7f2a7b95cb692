//! `GET /o/{token}.gif`: the open pixel.

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};

use super::{made_by, read};
use crate::responses::model::{Response, What};
use crate::tokens::LinkKind;
use crate::web::State;

/// A transparent picture of one pixel (GIF89a).
const PIXEL: [u8; 42] = [
    b'G', b'I', b'F', b'8', b'9', b'a', // signature
    1, 0, 1, 0, 0x80, 0, 0, // 1 × 1, two colours, background 0
    0, 0, 0, 0, 0, 0, // the colours
    0x21, 0xF9, 4, 1, 0, 0, 0, 0, // colour 0 is transparent
    0x2C, 0, 0, 0, 0, 1, 0, 1, 0, // the picture, at 0, 0
    0, // without colours of its own
    2, 1, // LZW of 2 bits, one byte
    0x44, 0, 0x3B,
];

/// Gives the picture whatever the token, and records the open. Whether the customer agrees to be seen
/// opening is asked when it is written, so a withdrawal holds for mail already sent too; who does not
/// agree gets the same picture. HEAD fetches no picture, so it is no open.
pub(super) async fn pixel(
    request: HttpRequest,
    token: web::Path<String>,
    state: web::Data<State>,
) -> HttpResponse {
    if request.method() == Method::GET
        && let Some((delivery, LinkKind::Open)) = read(&token, &state)
    {
        state
            .responses
            .record(Response {
                delivery,
                what: What::Open,
                made_by: made_by(&request),
                at: state.clock.now_ms(),
            })
            .await;
    }
    HttpResponse::Ok()
        .content_type("image/gif")
        // A mail program shows it in its own page.
        .insert_header(("cross-origin-resource-policy", "cross-origin"))
        .body(PIXEL.as_slice())
}
