//! `nws-stub ADDRESS`: the stand-in for the weather service, as a process.

use std::process::ExitCode;

use tokio::net::TcpListener;

fn main() -> ExitCode {
    let Some(address) = std::env::args().nth(1) else {
        eprintln!("usage: nws-stub ADDRESS (such as 127.0.0.1:8081; port 0 takes a free one)");
        return ExitCode::from(2);
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(serve(&address)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn serve(address: &str) -> std::io::Result<()> {
    let stop = gangway::shutdown_signal()?;
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, mcp_weather::stub::router()).with_graceful_shutdown(stop).await
}

fn fail(error: &std::io::Error) -> ExitCode {
    eprintln!("{error}");
    ExitCode::FAILURE
}
