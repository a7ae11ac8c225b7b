//! Market data: a deterministic generator and recorded Binance WebSocket captures.
