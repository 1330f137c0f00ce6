//! The control store from outside: what it promises to the API, the console and `up`.

mod bed;
mod rules;
mod sources;
mod webhooks;
