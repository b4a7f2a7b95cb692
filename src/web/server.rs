//! Starts an HTTP server on a listener, with the pages of one surface or of both.

use std::net::TcpListener;

use actix_web::dev::Server;
use actix_web::{App, HttpServer, web};

use super::{State, configure_console, configure_public};

/// Which pages a server shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// What links in messages lead to: for the whole world.
    Public,
    /// Reports, outbox, metrics: for the team.
    Console,
    Both,
}

/// Threads of one server: the work is the database's, a token check takes microseconds.
const WORKERS: usize = 2;

/// A server on `listener`, not yet running: it is a future. It leaves signals to us.
///
/// # Errors
/// When the listener cannot be used.
pub fn server(
    state: web::Data<State>,
    listener: TcpListener,
    surface: Surface,
) -> std::io::Result<Server> {
    let server = HttpServer::new(move || {
        App::new().app_data(state.clone()).configure(|config| {
            if surface != Surface::Console {
                configure_public(config);
            }
            if surface != Surface::Public {
                configure_console(config);
            }
        })
    })
    .workers(WORKERS)
    .shutdown_timeout(10)
    .disable_signals()
    .listen(listener)?
    .run();
    Ok(server)
}
