"""Code that people have published for the vendors' hosts, to the letter but for its comments."""

FAL = """
import os
import requests
import time
from pathlib import Path
import fal_client

fal_client.api_key = os.environ.get("FAL_KEY", "your_fal_key_here")


def generate_image_fal(prompt, num_steps=4):
    try:
        print(f"Generating with Fal.ai SDXL Lightning...")

        def on_queue_update(update):
            if isinstance(update, fal_client.InProgress):
                for log in update.logs:
                    print(f"Progress: {log['message']}")

        result = fal_client.subscribe(
            "fal-ai/fast-lightning-sdxl",
            arguments={
                "prompt": prompt,
                "negative_prompt": "blurry, low quality",
                "image_size": "square_hd",
                "num_inference_steps": num_steps,
                "enable_safety_checker": True
            },
            with_logs=True,
            on_queue_update=on_queue_update
        )
        image_url = result["images"][0]["url"]
        img_response = requests.get(image_url)
        img_response.raise_for_status()
        output_path = Path(f"sdxl_lightning_fal_{int(time.time())}.png")
        with open(output_path, "wb") as f:
            f.write(img_response.content)
        print(f"Image saved to: {output_path}")
        print(f"Inference time: {result.get('timings', {}).get('inference', 'N/A')}ms")
        return output_path
    except Exception as e:
        print(f"Fal.ai error: {e}")
        raise
"""
