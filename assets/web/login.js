// The login page is Gradio's, and knows no answer but a wrong password: what the server says to
// whoever has tried too many is shown here. The server writes this into the page as it stands.
{
  const send = window.fetch;

  /** @param {string} words  empty: none any more */
  const say = (words) => {
    const before = document.getElementById("login-said");
    const place = /** @type {HTMLElement} */ (before ?? document.createElement("p"));
    place.id = "login-said";
    place.setAttribute("role", "alert");
    Object.assign(place.style, { margin: 0, padding: "0.8em", textAlign: "center", color: "#fff", background: "#9b1c1c" });
    place.hidden = !words;
    if (!before) document.body.prepend(place);
    place.textContent = words; // when it is there already: then it is read aloud
  };

  window.fetch = async (...given) => {
    const answer = await send(...given);
    if (new URL(answer.url, location.href).pathname.endsWith("/login")) {
      say(answer.status === 429 ? (await answer.clone().json()).detail : "");
    }
    return answer;
  };
}
