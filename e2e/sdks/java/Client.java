import com.google.gson.Gson;
import com.google.gson.reflect.TypeToken;
import com.segment.analytics.Analytics;
import com.segment.analytics.Callback;
import com.segment.analytics.messages.AliasMessage;
import com.segment.analytics.messages.GroupMessage;
import com.segment.analytics.messages.IdentifyMessage;
import com.segment.analytics.messages.Message;
import com.segment.analytics.messages.MessageBuilder;
import com.segment.analytics.messages.PageMessage;
import com.segment.analytics.messages.ScreenMessage;
import com.segment.analytics.messages.TrackMessage;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Sends odd events by Segment's Java SDK and prints, one JSON object a line, what it sent.
 *
 * <pre>java -cp LIBS Client.java HOST KEY RUN ODD_JSON</pre>
 *
 * The SDK's Gson leaves null members out, and Java writes a lone surrogate as '?': the printed lines are made the same way.
 */
public class Client {
  static final Gson GSON = new Gson();
  static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
  static final AtomicReference<Throwable> FAILURE = new AtomicReference<>();
  static final int MANY = 300;

  static Analytics analytics;
  static CountDownLatch delivered;
  static String run;
  static int count;

  public static void main(String[] args) throws Exception {
    run = args[2];
    Map<String, Object> odd =
        GSON.fromJson(Files.readString(Path.of(args[3])), new TypeToken<Map<String, Object>>() {}.getType());
    delivered = new CountDownLatch(odd.size() + 8 + MANY);
    analytics = Analytics.builder(args[1]).endpoint(args[0]).flushQueueSize(40).callback(new Delivery()).build();

    for (Map.Entry<String, Object> entry : odd.entrySet()) {
      Map<String, Object> properties = new LinkedHashMap<>();
      properties.put("name", entry.getKey());
      properties.put("value", entry.getValue());
      track("Odd: " + entry.getKey(), properties);
    }
    send("identify", IdentifyMessage.builder().traits(odd), line("traits", odd));
    send("page", PageMessage.builder("Odd ☃").properties(odd), line("name", "Odd ☃", "properties", odd));
    send("screen", ScreenMessage.builder("Odd ☃").properties(odd), line("name", "Odd ☃", "properties", odd));
    send("group", GroupMessage.builder(run + "-group").traits(odd), line("groupId", run + "-group", "traits", odd));
    send("alias", AliasMessage.builder(run + "-before"), line("previousId", run + "-before"));
    send(
        "track",
        TrackMessage.builder("Own address").context(Map.of("ip", "203.0.113.7")),
        line("event", "Own address", "context", Map.of("ip", "203.0.113.7")));
    track("Long", Map.of("n", Long.MAX_VALUE, "negative", Long.MIN_VALUE));
    track("Big", Map.of("text", "x".repeat(20_000)));
    for (int n = 0; n < MANY; n++) track("Many", Map.of("n", n));

    analytics.flush();
    boolean done = delivered.await(60, TimeUnit.SECONDS);
    analytics.shutdown();
    if (FAILURE.get() != null) throw new IllegalStateException("not delivered", FAILURE.get());
    if (!done) throw new IllegalStateException(delivered.getCount() + " events without an answer after 60 s");
    System.exit(0); // the SDK's threads are not daemons
  }

  static void track(String event, Map<String, ?> properties) {
    send("track", TrackMessage.builder(event).properties(properties), line("event", event, "properties", properties));
  }

  static void send(String type, MessageBuilder<?, ?> message, Map<String, Object> line) {
    String messageId = run + "-" + count++;
    analytics.enqueue(message.messageId(messageId).userId(run + "-user"));
    line.putAll(Map.of("type", type, "messageId", messageId, "userId", run + "-user"));
    OUT.println(GSON.toJson(line));
  }

  static Map<String, Object> line(Object... pairs) {
    Map<String, Object> line = new LinkedHashMap<>();
    for (int i = 0; i < pairs.length; i += 2) line.put((String) pairs[i], pairs[i + 1]);
    return line;
  }

  static class Delivery implements Callback {
    public void success(Message message) {
      delivered.countDown();
    }

    public void failure(Message message, Throwable cause) {
      FAILURE.compareAndSet(null, cause);
      delivered.countDown();
    }
  }
}
