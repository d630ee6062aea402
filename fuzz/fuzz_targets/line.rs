//! A line of any bytes changes nothing outside its cell.
#![no_main]

#[path = "../../tests/it/support/hostile.rs"]
mod hostile;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let (stream, message) = text.split_at(text.floor_char_boundary(text.len() / 8));
    hostile::stays_in_its_cell(message, stream);
});
