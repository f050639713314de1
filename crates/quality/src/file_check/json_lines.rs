//! An array of JSON objects, turned into one object per line while it is read; lines pass as they are.

use std::io::Read;

/// Reads JSON lines from JSON lines, or from one array.
///
/// Bytes are replaced in place: the outer brackets and the line breaks within an element by blanks, the commas between
/// elements by line breaks. So nothing is held, however long the array is.
pub struct JsonLines<R> {
    input: R,
    /// `None`: nothing but blanks was seen yet.
    array: Option<bool>,
    depth: u64,
    in_text: bool,
    escaped: bool,
}

impl<R: Read> JsonLines<R> {
    pub const fn new(input: R) -> Self {
        Self { input, array: None, depth: 0, in_text: false, escaped: false }
    }

    fn turn(&mut self, byte: u8) -> u8 {
        if self.in_text {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_text = false,
                _ => {}
            }
            return byte;
        }
        match byte {
            b'"' => self.in_text = true,
            b'[' | b'{' => {
                self.depth += 1;
                if self.depth == 1 {
                    return b' ';
                }
            }
            b']' | b'}' => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    return b'\n';
                }
            }
            b',' if self.depth == 1 => return b'\n',
            b'\n' | b'\r' => return b' ',
            _ => {}
        }
        byte
    }
}

impl<R: Read> Read for JsonLines<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = self.input.read(out)?;
        for byte in &mut out[..count] {
            if self.array.is_none() && !byte.is_ascii_whitespace() {
                self.array = Some(*byte == b'[');
            }
            if self.array == Some(true) {
                *byte = self.turn(*byte);
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_becomes_lines_and_lines_stay() {
        let read = |text: &str| {
            let mut lines = String::new();
            JsonLines::new(text.as_bytes()).read_to_string(&mut lines).unwrap();
            lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        let pretty = "\n[\n  {\"a\": \"x, [\\\"}\",\n \"b\": [1,\n2]},\n  {\"a\": null}\n]\n";
        assert_eq!(read(pretty), ["{\"a\": \"x, [\\\"}\",  \"b\": [1, 2]}", "{\"a\": null}"]);
        assert_eq!(read("{\"a\":[1,2]}\n{\"a\":1}\n"), ["{\"a\":[1,2]}", "{\"a\":1}"]);
        assert_eq!(read("[]"), Vec::<String>::new());
    }
}
