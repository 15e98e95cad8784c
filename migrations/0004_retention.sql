-- What it takes to delete old messages and to tell those who have missed some of them. No row is rewritten.

pragma user_version = 4;

-- The newest whisper of each user, sent or received, that was deleted: who has received the log up to it has missed none. Apart
-- from users, for one transaction deletes those of many, and their rows are long.
create table pruned_whispers (
  user_id integer primary key references users (user_id),
  message_id integer not null check (message_id > 0) -- never moves back, and refers to nothing any more
) strict;

-- The same of each group. Which of its members are concerned, their intervals in group_members say.
create table pruned_group_messages (
  group_id integer primary key references groups (group_id),
  message_id integer not null check (message_id > 0) -- as above
) strict;
