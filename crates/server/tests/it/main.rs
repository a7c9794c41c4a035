//! Behaviour of the server: answers that company does not change, and the interface that clients expect.
//!
//! What has bitten somebody else's server once, and where it is held here:
//!
//! | no. | bite | test |
//! |---|---|---|
//! | 1 | a client leaves in the queue, the prompt, the answer | `company::who_leaves_is_gone_soon_wherever_the_request_is`, `interface::who_leaves_frees_the_place_for_others` |
//! | 2 | stops across tokens, at the first, within a character, overlapping | `company::a_stop_text_ends_an_answer_wherever_tokens_are_cut`, `forms::stops_within_and_across_characters_and_overlapping_ones` |
//! | 3 | characters of several tokens, cut ones | `forms::characters_of_several_tokens_come_whole_and_cut_ones_alike_in_both_ways` |
//! | 4 | usage with the flag and without, streamed and whole | `chats::an_answer_has_the_fields_that_clients_expect_and_streams_to_the_same_text` |
//! | 5 | `finish_reason` null, stop, length, tool_calls | the same, `chats::stop_texts_end_an_answer_and_are_not_shown`, `forms::a_call_that_must_be_made_is_made_in_the_format_of_the_model` |
//! | 6 | `max_completion_tokens` | `chats::both_names_of_the_most_tokens_count_and_null_is_the_default` |
//! | 7 | content null, parts, missing | `chats::contents_may_be_null_parts_or_missing_and_pictures_are_refused` |
//! | 8 | unknown fields and nulls | the same as 6 |
//! | 9 | a prompt beyond the context | `chats::a_prompt_beyond_the_context_is_refused_before_anything_is_streamed` |
//! | 10 | a template raises | `chats::what_a_template_raises_is_the_mistake_of_the_request` |
//! | 11 | 503 while loading | `interface::a_server_says_that_it_is_loading_until_it_is_ready` |
//! | 12 | signs of life during long prompts | `interface::signs_of_life_come_while_a_request_waits_and_are_nothing_else`; with clients: `clients/slow_prompt.py` |
//! | 13 | doubled slashes, names with slashes | `interface::paths_may_be_untidy_and_unknown_ones_are_told_in_json` |
//! | 14 | no key, any key, a wrong key | `interface::a_key_is_wanted_only_where_there_is_one` |
//! | 15 | logprobs without top_logprobs, streamed | `chats::probabilities_come_with_their_tokens` |
//! | 16 | index and id of calls in deltas | `forms::a_call_that_must_be_made_is_made_in_the_format_of_the_model` |
//! | 17 | a schema is kept to or refused | `forms::an_answer_has_the_schema_that_was_asked_for_streamed_or_not`, `forms::forms_that_cannot_be_kept_to_are_refused` |
//! | 18 | one begin-of-text token | `begins::a_prompt_of_every_family_begins_once` of crate dialogue, `chat_prompts` of the runtime |
//! | 19 | keys of tools in order, `<>&'` | `forms::a_call_and_its_result_go_back_to_the_model_in_the_order_of_their_keys`, `golden` of crate chat |
//! | 20 | `strftime_now` of a fixed day | `interface::the_day_is_the_one_that_is_set_or_asked_for` |
//! | 21 | a prompt of token numbers | `interface::completions_take_texts_and_tokens` |
//! | 22 | Ollama's lines and times | `ollama::chats_stream_lines_unless_told_otherwise` |
//! | 23 | foreign Host and Origin | `interface::pages_and_names_of_others_are_refused` |
//! | 24 | the same text in company | `company::sixty_four_requests_are_answered_as_each_alone`, `chats::the_same_request_gets_the_same_text_again_and_beside_others` |
//! | 25 | the same text twice | `company::what_was_computed_is_not_computed_again_and_changes_nothing` |
//! | 26 | a slow reader | `interface::a_reader_that_does_not_read_blocks_nobody` |
//! | 27 | 33 MiB, depth, no UTF-8 | `interface::bodies_that_are_too_much_are_refused_and_others_are_unharmed` |
//! | 28 | negative and huge numbers | `chats::numbers_are_held_to_their_ranges` |
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod chats;
mod client;
mod company;
mod forms;
mod house;
mod interface;
mod ollama;
mod served;
mod sessions;
