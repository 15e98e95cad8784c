-- Which conversation a message belongs to is worked out where somebody asks, no longer for each message that is stored. No row is
-- rewritten.

pragma user_version = 6;

alter table messages drop column conversation;

-- Which conversation each message belongs to, for the index and for people; `read_marks` and `postings` have the same numbers. A
-- group's is its id, negative; that of two users has the lower id in the upper bits and the higher id in the lower 31.
create view message_conversations as
select message_id,
  iif(group_id is not null, -group_id, (min(sender_id, recipient_id) << 31) | max(sender_id, recipient_id)) as conversation,
  sender_id, nonce
from messages;
