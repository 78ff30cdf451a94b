// What the theme leaves open: hits of a search are scrolled to, and a pressed button keeps the focus.
"use strict";

// On the search page: a result takes the words along in its address, so that it can be opened twice or in a new tab.
const takeWordsAlong = (event) => {
  const link = event.target.closest("#search-results a[href]");
  const words = new URLSearchParams(location.search).get("q");
  if (!link || !words || link.search) return;
  link.search = "?highlight=" + encodeURIComponent(words);
};

// On the page of a hit: Sphinx marks the words 10 ms after the page is there; show the first one that is not folded.
const showFirstHit = () => {
  if (location.hash) return;
  const hits = [...document.querySelectorAll("article .highlighted")];
  const first = hits.find((hit) => hit.checkVisibility());
  if (first) first.scrollIntoView({ block: "center" });
};

// The theme takes the focus from a button that was pressed; keyboards then start again at the top of the page.
const keepFocus = (event) => {
  const button = event.target.closest("button");
  if (button && !button.closest("dialog") && document.activeElement === document.body) button.focus();
};

document.addEventListener("pointerdown", takeWordsAlong);
document.addEventListener("keydown", takeWordsAlong);
document.addEventListener("click", keepFocus);
window.addEventListener("load", () => setTimeout(showFirstHit, 50));
